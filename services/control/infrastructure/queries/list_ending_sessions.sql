SELECT
    executor_session.session_id,
    executor_session.ended_at IS NOT NULL AS has_ended,
    permit_limit.ttl_max
FROM executor_session
CROSS JOIN permit_limit
WHERE executor_session.ended_at IS NOT NULL
   OR executor_session.lease_until < clock_timestamp()
