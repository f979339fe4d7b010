DELETE FROM executor_session
WHERE session_id = ANY (CAST(:session_ids AS uuid[]))
  AND ended_at IS NOT NULL
