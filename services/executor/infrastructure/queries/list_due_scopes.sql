-- The distinct scopes with READY jobs by a loose index scan (one probe a scope, whatever the number of jobs), each with the
-- seconds until its first job is due and until its lane has a slot, and one for what ramps up. Those that can send now come first, so that no number
-- of others pushes them off the list; of those, the ones whose lanes sent least recently.
WITH RECURSIVE scope AS (
  (
    SELECT job.organization_id, job.instance_id, job.campaign_id, job.next_attempt_at
    FROM job
    WHERE job.next_attempt_at IS NOT NULL
    ORDER BY job.organization_id, job.instance_id, job.campaign_id, job.next_attempt_at
    LIMIT 1
  )
  UNION ALL
  (
    SELECT following.organization_id, following.instance_id, following.campaign_id, following.next_attempt_at
    FROM scope
    CROSS JOIN LATERAL (
      SELECT job.organization_id, job.instance_id, job.campaign_id, job.next_attempt_at
      FROM job
      WHERE job.next_attempt_at IS NOT NULL
        AND (job.organization_id, job.instance_id, job.campaign_id)
          > (scope.organization_id, scope.instance_id, scope.campaign_id)
      ORDER BY job.organization_id, job.instance_id, job.campaign_id, job.next_attempt_at
      LIMIT 1
    ) AS following
  )
)
SELECT
  scope.organization_id,
  scope.instance_id,
  scope.campaign_id,
  CAST(extract(epoch FROM scope.next_attempt_at - statement_timestamp()) AS double precision) AS due_in,
  CAST(extract(epoch FROM lane.next_send_at - statement_timestamp()) AS double precision)
    - (lane.burst - 1) * lane.gap_seconds AS slot_in,
  CAST(extract(epoch FROM lane.ramp_next_at - statement_timestamp()) AS double precision) AS ramp_in
FROM scope
JOIN lane
  ON lane.organization_id = scope.organization_id
  AND lane.instance_id = scope.instance_id
ORDER BY
  greatest(
    scope.next_attempt_at,
    lane.next_send_at - (lane.burst - 1) * lane.gap_seconds * interval '1 second',
    statement_timestamp()
  ),
  lane.next_send_at
LIMIT :scopes
