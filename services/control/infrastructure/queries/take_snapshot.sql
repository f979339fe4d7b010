-- One statement, so one snapshot: versions, live pauses, live sessions, permit limit and heartbeat belong together. A
-- standby may lag.
SELECT
    pg_is_in_recovery() AS is_standby,
    permit_limit.ttl_max AS permit_ttl_max,
    (
        SELECT coalesce(max(heartbeat.number), 0)
        FROM heartbeat
        WHERE heartbeat.replica_id = :replica_id
    ) AS beat,
    ARRAY(
        SELECT executor_session.session_id
        FROM executor_session
        WHERE executor_session.session_id = ANY (CAST(:session_ids AS uuid[]))
          AND executor_session.ended_at IS NULL
    ) AS live_sessions,
    control_version.organization_id AS versioned_id,
    control_version.version AS organization_version,
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
FROM permit_limit
CROSS JOIN control_version
LEFT JOIN pause
    ON pause.organization_id = control_version.organization_id
    AND pause.state IN ('PAUSING', 'FENCED')
WHERE control_version.organization_id = ANY (CAST(:organization_ids AS text[]))
