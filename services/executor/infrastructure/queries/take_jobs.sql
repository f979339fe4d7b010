-- Move jobs of permitted scopes from READY to SENDING under one lease and advance their lanes, in one statement.
--
-- The lanes are locked first (those that another executor is advancing are passed over) and give each job its slot, as in
-- GCRA: with T the lane's next_send_at, a job in place i has TAT = max(T, now, earlier jobs' own times) + i * gap and may
-- begin at TAT - (burst - 1) * gap, never before its own time. Times are seconds from now, on the database's clock.
--
-- Jobs of scopes with a rate factor below 1 go by the lane's second clock too, ramp_next_at, with gap / factor and no burst:
-- it gives each a time of its own, less than one gap before its slot. They are sorted in among the others where their slots
-- would come, so that they neither wait for all of these nor leave a hole; others' slots do not depend on that clock.
WITH permitted AS MATERIALIZED (
  SELECT
    scope.organization_id,
    scope.instance_id,
    scope.campaign_id,
    scope.rate_factor,
    scope.control_version,
    scope.canary_id,
    scope.canary_room
  FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:instance_ids AS text[]),
    CAST(:campaign_ids AS text[]),
    CAST(:rate_factors AS double precision[]),
    CAST(:control_versions AS bigint[]),
    CAST(:canary_ids AS uuid[]),
    CAST(:canary_rooms AS bigint[])
  ) AS scope (organization_id, instance_id, campaign_id, rate_factor, control_version, canary_id, canary_room)
),
locked AS MATERIALIZED (
  SELECT
    lane.organization_id,
    lane.instance_id,
    lane.provider,
    lane.provider_account,
    lane.gap_seconds AS gap,
    (lane.burst - 1) * lane.gap_seconds AS tolerance,
    CAST(extract(epoch FROM lane.next_send_at - statement_timestamp()) AS double precision) AS backlog,
    CAST(extract(epoch FROM lane.ramp_next_at - statement_timestamp()) AS double precision) AS ramp_backlog
  FROM (SELECT DISTINCT permitted.organization_id, permitted.instance_id FROM permitted) AS named
  JOIN lane
    ON lane.organization_id = named.organization_id
    AND lane.instance_id = named.instance_id
  ORDER BY lane.organization_id, lane.instance_id
  FOR UPDATE OF lane SKIP LOCKED
),
paced AS MATERIALIZED (
  SELECT
    permitted.organization_id,
    permitted.instance_id,
    permitted.campaign_id,
    permitted.control_version,
    permitted.canary_id,
    permitted.canary_room,
    locked.provider,
    locked.provider_account,
    locked.gap,
    locked.tolerance,
    locked.backlog,
    greatest(locked.backlog, 0) - locked.tolerance AS free,
    greatest(locked.ramp_backlog, locked.backlog - locked.tolerance, 0) AS ramp_free,
    least(
      CAST(:horizon AS double precision),
      greatest(locked.backlog - locked.tolerance, 0) + CAST(:ramp_claim AS double precision)
    ) AS ramp_horizon,
    CASE
      WHEN permitted.rate_factor >= 1 THEN NULL
      WHEN locked.gap > 0 THEN locked.gap / permitted.rate_factor
      ELSE CAST(:ungoverned_gap AS double precision) / permitted.rate_factor
    END AS ramp_gap
  FROM permitted
  JOIN locked
    ON locked.organization_id = permitted.organization_id
    AND locked.instance_id = permitted.instance_id
),
candidate AS MATERIALIZED (
  SELECT
    paced.organization_id,
    waiting.row,
    paced.instance_id,
    paced.provider,
    paced.provider_account,
    paced.gap,
    paced.tolerance,
    paced.backlog,
    paced.free,
    paced.ramp_free,
    paced.ramp_gap,
    paced.control_version,
    paced.canary_id,
    paced.canary_room,
    CAST(extract(epoch FROM waiting.next_attempt_at - statement_timestamp()) AS double precision) AS earliest
  FROM paced
  CROSS JOIN LATERAL (
    SELECT job.ctid AS row, job.next_attempt_at
    FROM job
    WHERE job.organization_id = paced.organization_id
      AND job.instance_id = paced.instance_id
      AND job.campaign_id = paced.campaign_id
      AND job.next_attempt_at <= statement_timestamp() + CAST(:horizon AS double precision) * interval '1 second'
      AND job.lapses_at > statement_timestamp() + CAST(:permit_seconds AS double precision) * interval '1 second'
      AND job.state = 'READY'
    ORDER BY job.next_attempt_at
    LIMIT greatest(
      0,
      least(
        CAST(:per_scope AS bigint),
        paced.canary_room,
        CASE
          WHEN paced.gap > 0
            THEN CAST(floor((CAST(:horizon AS double precision) - paced.free) / paced.gap) AS bigint) + 1
        END,
        CASE
          WHEN paced.ramp_gap > 0
            THEN CAST(floor((paced.ramp_horizon - paced.ramp_free) / paced.ramp_gap) AS bigint) + 1
        END
      )
    )
    FOR UPDATE OF job SKIP LOCKED
  ) AS waiting
),
admitted AS (
  SELECT
    candidate.organization_id,
    candidate.row,
    candidate.instance_id,
    candidate.provider,
    candidate.provider_account,
    candidate.gap,
    candidate.tolerance,
    candidate.backlog,
    candidate.free,
    candidate.ramp_free,
    candidate.ramp_gap,
    candidate.control_version,
    candidate.canary_id,
    candidate.canary_room,
    candidate.earliest,
    row_number() OVER (PARTITION BY candidate.canary_id ORDER BY candidate.earliest, candidate.row) AS bird
  FROM candidate
),
-- `number` and `ramp_ahead` count within those of a lane that ramp up, and within those that do not.
numbered AS (
  SELECT
    admitted.organization_id,
    admitted.row,
    admitted.instance_id,
    admitted.provider,
    admitted.provider_account,
    admitted.gap,
    admitted.tolerance,
    admitted.backlog,
    admitted.free,
    admitted.ramp_free,
    admitted.ramp_gap,
    admitted.control_version,
    admitted.canary_id,
    admitted.earliest,
    row_number() OVER ramping - 1 AS number,
    coalesce(sum(admitted.ramp_gap) OVER ramping - admitted.ramp_gap, 0) AS ramp_ahead
  FROM admitted
  WHERE admitted.canary_id IS NULL
    OR admitted.bird <= admitted.canary_room
  WINDOW ramping AS (
    PARTITION BY admitted.organization_id, admitted.instance_id, admitted.ramp_gap IS NULL
    ORDER BY admitted.earliest, admitted.row
    ROWS UNBOUNDED PRECEDING
  )
),
ramped AS (
  SELECT
    numbered.organization_id,
    numbered.row,
    numbered.instance_id,
    numbered.provider,
    numbered.provider_account,
    numbered.gap,
    numbered.tolerance,
    numbered.backlog,
    numbered.free,
    numbered.ramp_gap,
    numbered.control_version,
    numbered.canary_id,
    numbered.number,
    CASE
      WHEN numbered.ramp_gap IS NULL THEN numbered.earliest
      ELSE numbered.ramp_ahead + greatest(
        numbered.ramp_free,
        max(numbered.earliest - numbered.ramp_ahead) OVER (
          PARTITION BY numbered.organization_id, numbered.instance_id, numbered.ramp_gap IS NULL
          ORDER BY numbered.number
          ROWS UNBOUNDED PRECEDING
        )
      )
    END AS earliest
  FROM numbered
),
placed AS (
  SELECT
    ramped.organization_id,
    ramped.row,
    ramped.instance_id,
    ramped.provider,
    ramped.provider_account,
    ramped.gap,
    ramped.tolerance,
    ramped.backlog,
    ramped.ramp_gap,
    ramped.control_version,
    ramped.canary_id,
    ramped.earliest,
    row_number() OVER (
      PARTITION BY ramped.organization_id, ramped.instance_id
      ORDER BY
        CASE
          WHEN ramped.ramp_gap IS NULL THEN greatest(ramped.free + ramped.number * ramped.gap, ramped.earliest)
          ELSE ramped.earliest - ramped.number * ramped.gap
        END,
        ramped.ramp_gap IS NULL,
        ramped.number
    ) - 1 AS place
  FROM ramped
),
scheduled AS (
  SELECT
    placed.organization_id,
    placed.row,
    placed.instance_id,
    placed.provider,
    placed.provider_account,
    placed.gap,
    placed.tolerance,
    placed.backlog,
    placed.ramp_gap,
    placed.control_version,
    placed.canary_id,
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
    scheduled.row,
    scheduled.instance_id,
    scheduled.provider,
    scheduled.provider_account,
    scheduled.control_version,
    scheduled.canary_id,
    scheduled.place,
    greatest(0, scheduled.earliest, scheduled.arrival - scheduled.tolerance) AS slot_in,
    greatest(0, scheduled.earliest, scheduled.arrival) + scheduled.gap AS next_arrival,
    scheduled.earliest + scheduled.ramp_gap AS next_ramp
  FROM scheduled
  WHERE greatest(0, scheduled.earliest, scheduled.arrival - scheduled.tolerance)
    <= least(CAST(:horizon AS double precision), scheduled.earliest + scheduled.ramp_gap)
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
  WHERE job.ctid = chosen.row  -- it stays where it was locked
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
    chosen.slot_in,
    chosen.place,
    chosen.canary_id
),
advanced AS (
  UPDATE lane
  SET
    next_send_at = statement_timestamp() + last.next_arrival * interval '1 second',
    ramp_next_at = coalesce(statement_timestamp() + last.next_ramp * interval '1 second', lane.ramp_next_at)
  FROM (
    SELECT
      chosen.organization_id,
      chosen.instance_id,
      max(chosen.next_arrival) AS next_arrival,
      max(chosen.next_ramp) AS next_ramp
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
),
counted AS (
  INSERT INTO canary_send (control_id, organization_id, intent_id, attempt)
  SELECT taken.canary_id, taken.organization_id, taken.intent_id, taken.attempt
  FROM taken
  WHERE taken.canary_id IS NOT NULL
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
ORDER BY taken.slot_in, taken.place
