-- What is blocked is never handed over: its content goes.
UPDATE intent
SET state = given.state,
    sequence = given.sequence,
    instance_id = given.instance_id,
    slot_at = given.slot_at,
    slot_before = given.slot_before,
    slot_after = given.slot_after,
    failed = false,
    decision_number = given.decision_number,
    outcome = given.outcome,
    reason = given.reason,
    decided_at = given.decided_at,
    decision = given.decision,
    sealed = CASE WHEN given.state = 'BLOCKED' THEN '' ELSE intent.sealed END
FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:intent_ids AS uuid[]),
    CAST(:states AS text[]),
    CAST(:sequences AS bigint[]),
    CAST(:instance_ids AS text[]),
    CAST(:slot_ats AS bigint[]),
    CAST(:slot_befores AS bigint[]),
    CAST(:slot_afters AS bigint[]),
    CAST(:decision_numbers AS int[]),
    CAST(:outcomes AS text[]),
    CAST(:reasons AS text[]),
    CAST(:decided_ats AS timestamptz[]),
    CAST(:decisions AS bytea[])
) AS given (
    organization_id, intent_id, state, sequence, instance_id, slot_at, slot_before, slot_after,
    decision_number, outcome, reason, decided_at, decision
)
WHERE intent.organization_id = given.organization_id
  AND intent.intent_id = given.intent_id
