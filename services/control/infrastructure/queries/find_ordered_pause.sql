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
    resume_request_id
FROM pause
WHERE organization_id = :organization_id
  AND peer = :peer
  AND request_id = :request_id
