-- What has ended is never handed over: its content goes.
UPDATE intent
SET state = given.state,
    sequence = intent.sequence + given.events,
    slot_at = NULL,
    slot_before = NULL,
    slot_after = NULL,
    sealed = ''
FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:intent_ids AS uuid[]),
    CAST(:states AS text[]),
    CAST(:events AS int[])
) AS given (organization_id, intent_id, state, events)
WHERE intent.organization_id = given.organization_id
  AND intent.intent_id = given.intent_id
