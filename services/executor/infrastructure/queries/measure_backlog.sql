-- Count what waits for each organization that nobody has counted for a while, and note it; once more when nothing waits.
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
due AS (
  SELECT candidate.organization_id
  FROM (
    SELECT waiting.organization_id
    FROM waiting
    UNION
    SELECT drained.organization_id
    FROM backlog_measured AS drained
    WHERE drained.waiting > 0
  ) AS candidate
  LEFT JOIN backlog_measured AS earlier
    ON earlier.organization_id = candidate.organization_id
  WHERE earlier.measured_at IS NULL
    OR earlier.measured_at <= statement_timestamp() - CAST(:every_seconds AS double precision) * interval '1 second'
),
counted AS MATERIALIZED (
  SELECT due.organization_id, count(job.intent_id) AS waiting, min(job.next_attempt_at) AS earliest
  FROM due
  LEFT JOIN job
    ON job.organization_id = due.organization_id
    AND job.next_attempt_at IS NOT NULL
  GROUP BY due.organization_id
),
claimed AS (
  INSERT INTO backlog_measured (organization_id, measured_at, waiting)
  SELECT counted.organization_id, statement_timestamp(), counted.waiting
  FROM counted
  ORDER BY counted.organization_id
  ON CONFLICT (organization_id) DO UPDATE
  SET measured_at = excluded.measured_at, waiting = excluded.waiting
  WHERE backlog_measured.measured_at
    <= excluded.measured_at - CAST(:every_seconds AS double precision) * interval '1 second'
  RETURNING backlog_measured.organization_id
)
SELECT
  counted.organization_id,
  counted.waiting,
  CASE WHEN counted.earliest <= statement_timestamp() THEN counted.earliest END AS oldest
FROM claimed
JOIN counted
  ON counted.organization_id = claimed.organization_id
