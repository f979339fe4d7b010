DELETE FROM executor_session
WHERE session_id = :session_id
