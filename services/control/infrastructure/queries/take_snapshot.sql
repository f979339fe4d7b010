-- One statement, so one snapshot: versions, live pauses, live sessions, permit limit and heartbeat belong together. A
-- standby may lag.
-- Beside the live pauses come the lifted ones whose ramp or canary is under way; finished ones are not looked at.
SELECT
    pg_is_in_recovery() AS is_standby,
    statement_timestamp() AS read_at,
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
    pause.resume_request_id,
    pause.begun_version,
    pause.plan,
    pause.ramp_from,
    pause.ramp_duration,
    pause.canary_sends,
    pause.canary_watch,
    pause.canary_max_failure_share,
    pause.full_pace_at,
    pause.canary_failed_at,
    pause.failed_control_id
FROM permit_limit
CROSS JOIN control_version
LEFT JOIN LATERAL (
    SELECT live.control_id
    FROM pause AS live
    WHERE live.organization_id = control_version.organization_id
      AND live.state IN ('PAUSING', 'FENCED')
    UNION ALL
    SELECT resumed.control_id
    FROM pause AS resumed
    WHERE resumed.organization_id = control_version.organization_id
      AND resumed.plan IN ('RAMP', 'CANARY')
      AND resumed.failed_control_id IS NULL
      AND coalesce(resumed.full_pace_at, 'infinity') > statement_timestamp()
) AS concerned ON true
LEFT JOIN pause
    ON pause.organization_id = control_version.organization_id
    AND pause.control_id = concerned.control_id
WHERE control_version.organization_id = ANY (CAST(:organization_ids AS text[]))
