SELECT session_id
FROM executor_session
WHERE session_id = :session_id
  AND ended_at IS NULL
