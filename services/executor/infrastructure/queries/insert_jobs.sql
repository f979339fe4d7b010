-- Take over approved intents. A tombstone turns a new one into CANCELED, if `buried` asks for those: there is an event to
-- be told then, in the same transaction. Otherwise they are left out, and answered. A higher decision number revives a
-- RETURNED one; anything else that is there already stays as it is. The share lock on tombstones makes cancellations wait, so that none
-- is lost between its look at the jobs and its tombstone. What is canceled needs no recipient and no content.
-- What jobs have in common is given once, as a kind, and each job names its kind. They are inserted in one order whoever hands
-- them over, so that two who do never wait for each other in a circle.
WITH given AS MATERIALIZED (
  SELECT
    item.intent_id,
    item.recipient,
    item.recipient_id,
    item.content,
    item.traceparent,
    alike.organization_id,
    alike.decision_number,
    alike.sequence,
    alike.instance_id,
    alike.campaign_id,
    alike.category,
    alike.submitted_at,
    alike.approved_at,
    alike.approved_until,
    alike.expire_time,
    alike.not_before,
    alike.retry_unknown
  FROM unnest(
    CAST(:intent_ids AS uuid[]),
    CAST(:kinds AS bigint[]),
    CAST(:recipients AS text[]),
    CAST(:recipient_ids AS text[]),
    CAST(:contents AS bytea[]),
    CAST(:traceparents AS text[])
  ) AS item (
    intent_id,
    kind,
    recipient,
    recipient_id,
    content,
    traceparent
  )
  JOIN unnest(
    CAST(:organization_ids AS text[]),
    CAST(:decision_numbers AS integer[]),
    CAST(:sequences AS bigint[]),
    CAST(:instance_ids AS text[]),
    CAST(:campaign_ids AS text[]),
    CAST(:categories AS text[]),
    CAST(:submitteds_at AS timestamptz[]),
    CAST(:approveds_at AS timestamptz[]),
    CAST(:approveds_until AS timestamptz[]),
    CAST(:expire_times AS timestamptz[]),
    CAST(:nots_before AS timestamptz[]),
    CAST(:retries_unknown AS boolean[])
  ) WITH ORDINALITY AS alike (
    organization_id,
    decision_number,
    sequence,
    instance_id,
    campaign_id,
    category,
    submitted_at,
    approved_at,
    approved_until,
    expire_time,
    not_before,
    retry_unknown,
    kind
  ) USING (kind)
),
canceled AS MATERIALIZED (
  SELECT tombstone.organization_id, tombstone.intent_id, tombstone.reason, tombstone.actor
  FROM given
  JOIN tombstone
    ON tombstone.organization_id = given.organization_id
    AND tombstone.intent_id = given.intent_id
  FOR KEY SHARE OF tombstone
),
taken AS (
  INSERT INTO job (
    organization_id,
    intent_id,
    instance_id,
    campaign_id,
    next_attempt_at,
    lapses_at,
    state,
    reason,
    decision_number,
    next_sequence,
    submitted_at,
    approved_at,
    approved_until,
    expire_time,
    retry_unknown,
    category,
    recipient_id,
    traceparent,
    recipient,
    content
  )
  SELECT
    given.organization_id,
    given.intent_id,
    given.instance_id,
    given.campaign_id,
    CASE WHEN canceled.intent_id IS NULL THEN coalesce(given.not_before, statement_timestamp()) END,
    least(given.approved_until, given.expire_time),
    CASE WHEN canceled.intent_id IS NULL THEN 'READY' ELSE 'CANCELED' END,
    CASE WHEN canceled.intent_id IS NULL THEN '' ELSE 'CANCELED' END,
    given.decision_number,
    CASE WHEN canceled.intent_id IS NULL THEN given.sequence ELSE given.sequence + 1 END,
    given.submitted_at,
    given.approved_at,
    given.approved_until,
    given.expire_time,
    given.retry_unknown,
    given.category,
    CASE WHEN canceled.intent_id IS NULL THEN given.recipient_id ELSE '' END,
    given.traceparent,
    CASE WHEN canceled.intent_id IS NULL THEN given.recipient END,
    CASE WHEN canceled.intent_id IS NULL THEN given.content END
  FROM given
  LEFT JOIN canceled
    ON canceled.organization_id = given.organization_id
    AND canceled.intent_id = given.intent_id
  WHERE canceled.intent_id IS NULL
    OR :buried
  ORDER BY given.organization_id, given.intent_id
  ON CONFLICT (organization_id, intent_id) DO UPDATE
  SET
    instance_id = excluded.instance_id,
    campaign_id = excluded.campaign_id,
    next_attempt_at = excluded.next_attempt_at,
    lapses_at = excluded.lapses_at,
    state = excluded.state,
    reason = excluded.reason,
    decision_number = excluded.decision_number,
    next_sequence = excluded.next_sequence,
    approved_at = excluded.approved_at,
    approved_until = excluded.approved_until,
    tries = 0,
    traceparent = excluded.traceparent,
    recipient = excluded.recipient,
    content = excluded.content
  WHERE job.state = 'RETURNED'
    AND job.decision_number < excluded.decision_number
  RETURNING job.organization_id, job.intent_id, job.state
)
SELECT
  counted.taken,
  canceled.organization_id,
  canceled.intent_id,
  taken.state,
  canceled.reason,
  canceled.actor
FROM (SELECT count(*) AS taken FROM taken) AS counted
LEFT JOIN canceled
  ON true
LEFT JOIN taken
  ON taken.organization_id = canceled.organization_id
  AND taken.intent_id = canceled.intent_id
