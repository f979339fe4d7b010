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
WHERE organization_id = ANY (CAST(:organization_ids AS text[]))
  AND (CAST(:before AS uuid) IS NULL OR control_id < CAST(:before AS uuid))
  AND (NOT :live_only OR state IN ('PAUSING', 'FENCED'))
  AND (:scope = '' OR scope = :scope)
  AND (:target = '' OR target = :target)
ORDER BY control_id DESC
LIMIT CAST(:count AS integer)
