-- Pauses and versions in one snapshot: an etag made of them hides no pause that its reader did not see.
SELECT
    statement_timestamp() AS read_at,
    (
        SELECT coalesce(max(control_version.version), 0)
        FROM control_version
        WHERE control_version.organization_id = ANY (CAST(:organization_ids AS text[]))
          AND control_version.organization_id <> ''
    ) AS organization_version,
    (
        SELECT control_version.version
        FROM control_version
        WHERE control_version.organization_id = ''
    ) AS platform_version,
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
WHERE organization_id = ANY (CAST(:organization_ids AS text[]))
  AND state IN ('PAUSING', 'FENCED')
ORDER BY control_id
