SELECT
    organization_id,
    control_id,
    scope,
    target,
    reason,
    source,
    paused_until,
    paused_by,
    peer,
    request_id,
    state,
    version,
    ttl_max,
    created_at,
    fenced_at,
    ended_at,
    ended_by,
    end_reason,
    resume_request_id,
    begun_version,
    plan,
    ramp_from,
    ramp_duration,
    canary_sends,
    canary_watch,
    canary_max_failure_share,
    full_pace_at,
    canary_failed_at,
    failed_control_id
FROM pause
WHERE plan = 'CANARY'
  AND full_pace_at IS NULL
  AND failed_control_id IS NULL
ORDER BY control_id
