-- Move jobs of permitted scopes from READY to SENDING under one lease and advance their lanes, in one statement.
--
-- The lanes are locked first (those that another executor is advancing are passed over) and give each job its slot, as in
-- GCRA: with T the lane's next_send_at, a job in place i has TAT = max(T, now, earlier jobs' own times) + i * gap and may
-- begin at TAT - (burst - 1) * gap, never before its own time. Times are seconds from now, on the database's clock.
WITH permitted AS MATERIALIZED (
  SELECT scope.organization_id, scope.instance_id, scope.campaign_id, scope.rate_factor, scope.control_version
  FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:instance_ids AS text[]),
    CAST(:campaign_ids AS text[]),
    CAST(:rate_factors AS double precision[]),
    CAST(:control_versions AS bigint[])
  ) AS scope (organization_id, instance_id, campaign_id, rate_factor, control_version)
),
slowed AS (
  SELECT permitted.organization_id, permitted.instance_id, min(permitted.rate_factor) AS rate_factor
  FROM permitted
  GROUP BY permitted.organization_id, permitted.instance_id
),
locked AS MATERIALIZED (
  SELECT
    lane.organization_id,
    lane.instance_id,
    lane.provider,
    lane.provider_account,
    lane.burst,
    CAST(extract(epoch FROM lane.next_send_at - statement_timestamp()) AS double precision) AS backlog,
    CASE
      WHEN slowed.rate_factor >= 1 THEN lane.gap_seconds
      WHEN lane.gap_seconds > 0 THEN lane.gap_seconds / slowed.rate_factor
      ELSE CAST(:ungoverned_gap AS double precision) / slowed.rate_factor
    END AS gap
  FROM slowed
  JOIN lane
    ON lane.organization_id = slowed.organization_id
    AND lane.instance_id = slowed.instance_id
  ORDER BY lane.organization_id, lane.instance_id
  FOR UPDATE OF lane SKIP LOCKED
),
paced AS MATERIALIZED (
  SELECT
    locked.organization_id,
    locked.instance_id,
    locked.provider,
    locked.provider_account,
    locked.backlog,
    locked.gap,
    (locked.burst - 1) * locked.gap AS tolerance,
    CASE
      WHEN locked.gap = 0 THEN CAST(:per_scope AS bigint)
      ELSE CAST(
        floor(
          (CAST(:horizon AS double precision) - greatest(locked.backlog, 0) + (locked.burst - 1) * locked.gap) / locked.gap
        ) AS bigint
      ) + 1
    END AS room
  FROM locked
),
candidate AS MATERIALIZED (
  SELECT
    waiting.organization_id,
    waiting.intent_id,
    paced.instance_id,
    paced.provider,
    paced.provider_account,
    paced.backlog,
    paced.gap,
    paced.tolerance,
    permitted.control_version,
    CAST(extract(epoch FROM waiting.next_attempt_at - statement_timestamp()) AS double precision) AS earliest
  FROM permitted
  JOIN paced
    ON paced.organization_id = permitted.organization_id
    AND paced.instance_id = permitted.instance_id
  CROSS JOIN LATERAL (
    SELECT job.organization_id, job.intent_id, job.next_attempt_at
    FROM job
    WHERE job.organization_id = permitted.organization_id
      AND job.instance_id = permitted.instance_id
      AND job.campaign_id = permitted.campaign_id
      AND job.next_attempt_at <= statement_timestamp() + CAST(:horizon AS double precision) * interval '1 second'
      AND job.lapses_at > statement_timestamp() + CAST(:horizon AS double precision) * interval '1 second'
      AND job.state = 'READY'
    ORDER BY job.next_attempt_at
    LIMIT greatest(least(CAST(:per_scope AS bigint), paced.room), 0)
    FOR UPDATE OF job SKIP LOCKED
  ) AS waiting
),
placed AS (
  SELECT
    candidate.organization_id,
    candidate.intent_id,
    candidate.instance_id,
    candidate.provider,
    candidate.provider_account,
    candidate.backlog,
    candidate.gap,
    candidate.tolerance,
    candidate.control_version,
    candidate.earliest,
    row_number() OVER (
      PARTITION BY candidate.organization_id, candidate.instance_id
      ORDER BY candidate.earliest, candidate.intent_id
    ) - 1 AS place
  FROM candidate
),
scheduled AS (
  SELECT
    placed.organization_id,
    placed.intent_id,
    placed.instance_id,
    placed.provider,
    placed.provider_account,
    placed.backlog,
    placed.gap,
    placed.tolerance,
    placed.control_version,
    placed.earliest,
    placed.place,
    placed.place * placed.gap + greatest(
      placed.backlog,
      CASE WHEN placed.place > 0 THEN 0 END,
      max(placed.earliest - placed.place * placed.gap) OVER (
        PARTITION BY placed.organization_id, placed.instance_id
        ORDER BY placed.place
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      )
    ) AS arrival
  FROM placed
),
chosen AS MATERIALIZED (
  SELECT
    scheduled.organization_id,
    scheduled.intent_id,
    scheduled.instance_id,
    scheduled.provider,
    scheduled.provider_account,
    scheduled.control_version,
    greatest(0, scheduled.earliest, scheduled.arrival - scheduled.tolerance) AS slot_in,
    greatest(0, scheduled.earliest, scheduled.arrival) + scheduled.gap AS next_arrival
  FROM scheduled
  WHERE greatest(0, scheduled.earliest, scheduled.arrival - scheduled.tolerance) <= CAST(:horizon AS double precision)
  ORDER BY scheduled.place, scheduled.backlog
  LIMIT :jobs
),
taken AS (
  UPDATE job
  SET
    state = 'SENDING',
    reason = '',
    next_attempt_at = NULL,
    held_by = NULL,
    attempt = job.attempt + 1,
    tries = job.tries + 1,
    next_sequence = job.next_sequence + 1,
    lease_token = CAST(:token AS uuid),
    taken_at = statement_timestamp(),
    control_version = chosen.control_version,
    platform_version = CAST(:platform_version AS bigint)
  FROM chosen
  WHERE job.organization_id = chosen.organization_id
    AND job.intent_id = chosen.intent_id
    AND job.state = 'READY'
  RETURNING
    job.organization_id,
    job.intent_id,
    job.instance_id,
    job.campaign_id,
    job.decision_number,
    job.attempt,
    job.tries,
    job.next_sequence - 1 AS sequence,
    job.taken_at,
    job.control_version,
    job.submitted_at,
    job.approved_at,
    job.approved_until,
    job.expire_time,
    job.created_at,
    job.retry_unknown,
    job.traceparent,
    job.recipient,
    job.content,
    chosen.provider,
    chosen.provider_account,
    chosen.slot_in
),
advanced AS (
  UPDATE lane
  SET next_send_at = statement_timestamp() + last.next_arrival * interval '1 second'
  FROM (
    SELECT chosen.organization_id, chosen.instance_id, max(chosen.next_arrival) AS next_arrival
    FROM chosen
    GROUP BY chosen.organization_id, chosen.instance_id
  ) AS last
  WHERE lane.organization_id = last.organization_id
    AND lane.instance_id = last.instance_id
),
leased AS (
  INSERT INTO lease (token, lease_until, organization_ids, intent_ids)
  SELECT
    CAST(:token AS uuid),
    statement_timestamp() + CAST(:lease_seconds AS double precision) * interval '1 second',
    array_agg(taken.organization_id),
    array_agg(taken.intent_id)
  FROM taken
  HAVING count(*) > 0
)
SELECT
  taken.organization_id,
  taken.intent_id,
  taken.instance_id,
  taken.campaign_id,
  taken.decision_number,
  taken.attempt,
  taken.tries,
  taken.sequence,
  taken.taken_at,
  taken.control_version,
  taken.submitted_at,
  taken.approved_at,
  taken.approved_until,
  taken.expire_time,
  taken.created_at,
  taken.retry_unknown,
  taken.traceparent,
  taken.recipient,
  taken.content,
  taken.provider,
  taken.provider_account,
  taken.slot_in
FROM taken
ORDER BY taken.slot_in
