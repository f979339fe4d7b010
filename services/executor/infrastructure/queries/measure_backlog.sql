-- Count what waits for each organization that nobody has counted for a while, and note that it was counted.
WITH RECURSIVE waiting AS (
  (
    SELECT job.organization_id
    FROM job
    WHERE job.next_attempt_at IS NOT NULL
    ORDER BY job.organization_id
    LIMIT 1
  )
  UNION ALL
  (
    SELECT following.organization_id
    FROM waiting
    CROSS JOIN LATERAL (
      SELECT job.organization_id
      FROM job
      WHERE job.next_attempt_at IS NOT NULL
        AND job.organization_id > waiting.organization_id
      ORDER BY job.organization_id
      LIMIT 1
    ) AS following
  )
),
claimed AS (
  INSERT INTO backlog_measured (organization_id, measured_at)
  SELECT waiting.organization_id, statement_timestamp()
  FROM waiting
  ORDER BY waiting.organization_id
  ON CONFLICT (organization_id) DO UPDATE
  SET measured_at = excluded.measured_at
  WHERE backlog_measured.measured_at
    <= excluded.measured_at - CAST(:every_seconds AS double precision) * interval '1 second'
  RETURNING backlog_measured.organization_id
)
SELECT
  claimed.organization_id,
  counted.waiting,
  counted.oldest
FROM claimed
CROSS JOIN LATERAL (
  SELECT
    count(*) AS waiting,
    min(job.next_attempt_at) FILTER (WHERE job.next_attempt_at <= statement_timestamp()) AS oldest
  FROM job
  WHERE job.organization_id = claimed.organization_id
    AND job.next_attempt_at IS NOT NULL
) AS counted
WHERE counted.waiting > 0
