-- One statement, so one snapshot: versions, live pauses, live sessions, permit limit and heartbeat belong together. A
-- standby may lag. Beside the live pauses come the lifted ones whose ramp or canary is under way, each kind by its own
-- index: the table, which keeps every pause that ever was, is never read through.
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
    (concerned.pause).organization_id,
    (concerned.pause).control_id,
    (concerned.pause).scope,
    (concerned.pause).target,
    (concerned.pause).reason,
    (concerned.pause).source,
    (concerned.pause).paused_until,
    (concerned.pause).paused_by,
    (concerned.pause).peer,
    (concerned.pause).request_id,
    (concerned.pause).state,
    (concerned.pause).version,
    (concerned.pause).ttl_max,
    (concerned.pause).created_at,
    (concerned.pause).fenced_at,
    (concerned.pause).ended_at,
    (concerned.pause).ended_by,
    (concerned.pause).end_reason,
    (concerned.pause).resume_request_id,
    (concerned.pause).begun_version,
    (concerned.pause).plan,
    (concerned.pause).ramp_from,
    (concerned.pause).ramp_duration,
    (concerned.pause).canary_sends,
    (concerned.pause).canary_watch,
    (concerned.pause).canary_max_failure_share,
    (concerned.pause).full_pace_at,
    (concerned.pause).canary_failed_at,
    (concerned.pause).failed_control_id
FROM permit_limit
CROSS JOIN control_version
LEFT JOIN LATERAL (
    SELECT live AS pause
    FROM pause AS live
    WHERE live.organization_id = control_version.organization_id
      AND live.state IN ('PAUSING', 'FENCED')
    UNION ALL
    SELECT resumed AS pause
    FROM pause AS resumed
    WHERE resumed.organization_id = control_version.organization_id
      AND resumed.plan IN ('RAMP', 'CANARY')
      AND resumed.failed_control_id IS NULL
      AND coalesce(resumed.full_pace_at, 'infinity') > statement_timestamp()
) AS concerned ON true
WHERE control_version.organization_id = ANY (CAST(:organization_ids AS text[]))
