-- A row comes also when nothing is live: it carries the cursor that the news follow from.
SELECT
    clock_timestamp() AS at,
    CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS cursor,
    pause.organization_id,
    pause.control_id,
    pause.scope,
    pause.target,
    pause.reason,
    pause.source,
    pause.paused_until,
    pause.paused_by,
    pause.peer,
    pause.request_id,
    pause.state,
    pause.version,
    pause.ttl_max,
    pause.created_at,
    pause.fenced_at,
    pause.ended_at,
    pause.ended_by,
    pause.end_reason,
    pause.resume_request_id
FROM (VALUES (1)) AS always (present)
LEFT JOIN pause ON pause.state IN ('PAUSING', 'FENCED')
ORDER BY pause.organization_id, pause.version
