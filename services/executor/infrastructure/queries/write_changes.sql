-- Move jobs, each from exactly the state, attempt and lease it was read with, and keep what is known of their attempts.
-- Leases whose jobs have all moved on are forgotten.
-- WhatsApp's ids of messages hold the number: a forgotten job takes none any more.
-- What changes have in common is given once, as a kind, and each change names its kind: a batch has few.
-- Answers the changes that were taken, by their place in the batch.
WITH change AS MATERIALIZED (
  SELECT
    given.intent_id,
    given.retry_in,
    given.began_at,
    given.ended_at,
    given.provider_message_id,
    given.place,
    alike.organization_id,
    alike.expected_state,
    alike.expected_attempt,
    alike.expected_token,
    alike.state,
    alike.reason,
    alike.tries,
    alike.retry_by,
    alike.held_by,
    alike.facts,
    alike.number,
    alike.taken_at,
    alike.outcome,
    alike.attempt_reason,
    alike.provider_code,
    alike.control_version,
    alike.platform_version,
    alike.delivery,
    alike.contradiction
  FROM unnest(
    CAST(:intent_ids AS uuid[]),
    CAST(:kinds AS bigint[]),
    CAST(:retries_in AS double precision[]),
    CAST(:begans_at AS timestamptz[]),
    CAST(:endeds_at AS timestamptz[]),
    CAST(:provider_message_ids AS text[])
  ) WITH ORDINALITY AS given (
    intent_id,
    kind,
    retry_in,
    began_at,
    ended_at,
    provider_message_id,
    place
  )
  JOIN unnest(
    CAST(:organization_ids AS text[]),
    CAST(:expected_states AS text[]),
    CAST(:expected_attempts AS integer[]),
    CAST(:expected_tokens AS uuid[]),
    CAST(:states AS text[]),
    CAST(:reasons AS text[]),
    CAST(:tries AS integer[]),
    CAST(:retries_by AS timestamptz[]),
    CAST(:helds_by AS text[]),
    CAST(:facts AS integer[]),
    CAST(:numbers AS integer[]),
    CAST(:takens_at AS timestamptz[]),
    CAST(:outcomes AS text[]),
    CAST(:attempt_reasons AS text[]),
    CAST(:provider_codes AS text[]),
    CAST(:control_versions AS bigint[]),
    CAST(:platform_versions AS bigint[]),
    CAST(:deliveries AS text[]),
    CAST(:contradictions AS text[])
  ) WITH ORDINALITY AS alike (
    organization_id,
    expected_state,
    expected_attempt,
    expected_token,
    state,
    reason,
    tries,
    retry_by,
    held_by,
    facts,
    number,
    taken_at,
    outcome,
    attempt_reason,
    provider_code,
    control_version,
    platform_version,
    delivery,
    contradiction,
    kind
  ) USING (kind)
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
    change.place,
    job.next_sequence - change.facts AS sequence,
    job.next_attempt_at,
    job.recipient IS NULL AS forgotten,
    change.organization_id,
    change.intent_id,
    change.number,
    change.taken_at,
    change.began_at,
    change.ended_at,
    change.outcome,
    change.attempt_reason,
    change.provider_code,
    change.provider_message_id,
    change.control_version,
    change.platform_version,
    change.delivery,
    change.contradiction
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
    moved.number,
    moved.taken_at,
    moved.began_at,
    moved.ended_at,
    moved.outcome,
    moved.attempt_reason,
    moved.provider_code,
    CASE WHEN moved.forgotten THEN '' ELSE moved.provider_message_id END,
    moved.control_version,
    moved.platform_version,
    moved.delivery,
    moved.contradiction
  FROM moved
  WHERE moved.number IS NOT NULL
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
