-- Move jobs, each from exactly the state, attempt and lease it was read with, and keep what is known of their attempts.
-- Leases whose jobs have all moved on are forgotten.
-- WhatsApp's ids of messages hold the number: a forgotten job takes none any more.
-- Answers the changes that were taken, by their place in the batch.
WITH change AS MATERIALIZED (
  SELECT
    given.organization_id,
    given.intent_id,
    given.expected_state,
    given.expected_attempt,
    given.expected_token,
    given.state,
    given.reason,
    given.tries,
    given.retry_in,
    given.retry_by,
    given.held_by,
    given.facts,
    given.place
  FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:intent_ids AS uuid[]),
    CAST(:expected_states AS text[]),
    CAST(:expected_attempts AS integer[]),
    CAST(:expected_tokens AS uuid[]),
    CAST(:states AS text[]),
    CAST(:reasons AS text[]),
    CAST(:tries AS integer[]),
    CAST(:retries_in AS double precision[]),
    CAST(:retries_by AS timestamptz[]),
    CAST(:helds_by AS text[]),
    CAST(:facts AS integer[])
  ) WITH ORDINALITY AS given (
    organization_id,
    intent_id,
    expected_state,
    expected_attempt,
    expected_token,
    state,
    reason,
    tries,
    retry_in,
    retry_by,
    held_by,
    facts,
    place
  )
),
moved AS (
  UPDATE job
  SET
    state = change.state,
    reason = change.reason,
    tries = change.tries,
    next_attempt_at = CASE
      WHEN change.state <> 'READY' THEN NULL
      WHEN change.retry_in IS NULL THEN job.next_attempt_at
      -- Never at once: what holds a job past its paused_until ends when control says so, and not by asking in a circle.
      ELSE greatest(
        least(statement_timestamp() + change.retry_in * interval '1 second', change.retry_by),
        statement_timestamp() + least(change.retry_in, 0.25) * interval '1 second'
      )
    END,
    held_by = CAST(change.held_by AS uuid[]),
    next_sequence = job.next_sequence + change.facts
  FROM change
  WHERE job.organization_id = change.organization_id
    AND job.intent_id = change.intent_id
    AND job.state = change.expected_state
    AND job.attempt = change.expected_attempt
    AND job.lease_token IS NOT DISTINCT FROM change.expected_token
  RETURNING
    job.organization_id,
    job.intent_id,
    job.next_sequence - change.facts AS sequence,
    job.next_attempt_at,
    job.recipient IS NULL AS forgotten,
    change.place
),
kept AS (
  INSERT INTO attempt (
    organization_id,
    intent_id,
    number,
    taken_at,
    began_at,
    ended_at,
    outcome,
    reason,
    provider_code,
    provider_message_id,
    control_version,
    platform_version,
    delivery,
    contradiction
  )
  SELECT
    moved.organization_id,
    moved.intent_id,
    given.number,
    given.taken_at,
    given.began_at,
    given.ended_at,
    given.outcome,
    given.reason,
    given.provider_code,
    CASE WHEN moved.forgotten THEN '' ELSE given.provider_message_id END,
    given.control_version,
    given.platform_version,
    given.delivery,
    given.contradiction
  FROM unnest(
    CAST(:attempt_places AS bigint[]),
    CAST(:numbers AS integer[]),
    CAST(:takens_at AS timestamptz[]),
    CAST(:begans_at AS timestamptz[]),
    CAST(:endeds_at AS timestamptz[]),
    CAST(:outcomes AS text[]),
    CAST(:attempt_reasons AS text[]),
    CAST(:provider_codes AS text[]),
    CAST(:provider_message_ids AS text[]),
    CAST(:control_versions AS bigint[]),
    CAST(:platform_versions AS bigint[]),
    CAST(:deliveries AS text[]),
    CAST(:contradictions AS text[])
  ) AS given (
    place,
    number,
    taken_at,
    began_at,
    ended_at,
    outcome,
    reason,
    provider_code,
    provider_message_id,
    control_version,
    platform_version,
    delivery,
    contradiction
  )
  JOIN moved USING (place)
  ON CONFLICT (organization_id, intent_id, number) DO UPDATE
  SET
    began_at = excluded.began_at,
    ended_at = excluded.ended_at,
    outcome = excluded.outcome,
    reason = excluded.reason,
    provider_code = excluded.provider_code,
    provider_message_id = excluded.provider_message_id,
    delivery = excluded.delivery,
    contradiction = excluded.contradiction
),
closed AS (
  DELETE FROM lease
  WHERE lease.token = ANY (CAST(:closing AS uuid[]))
)
SELECT moved.place, moved.sequence, moved.next_attempt_at
FROM moved
