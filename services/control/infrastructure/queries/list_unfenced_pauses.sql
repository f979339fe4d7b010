-- One snapshot: a session that it does not see is registered later, sees the pause, and is given no permit against it.
SELECT
    NOT EXISTS (
        SELECT
        FROM executor_session
        WHERE NOT EXISTS (
            SELECT
            FROM acknowledgement
            WHERE acknowledgement.control_id = pause.control_id
              AND acknowledgement.session_id = executor_session.session_id
        )
    ) AS is_acknowledged,
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
FROM pause
WHERE pause.state = 'PAUSING'
ORDER BY pause.control_id
