-- The clock is read once, so that what is due and how far off the next one is are judged alike.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now
)
SELECT
    CAST(extract(epoch FROM pause.paused_until - moment.now) AS double precision) AS seconds,
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
CROSS JOIN moment
WHERE pause.state IN ('PAUSING', 'FENCED')
  AND pause.paused_until IS NOT NULL
ORDER BY pause.paused_until
LIMIT 100
