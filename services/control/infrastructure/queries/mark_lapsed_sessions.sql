UPDATE executor_session
SET ended_at = clock_timestamp()
WHERE ended_at IS NULL
  AND lease_until < clock_timestamp()
