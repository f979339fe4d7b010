-- Copies the newest decisions aside before others take their place. Decisions are never rewritten.
INSERT INTO past_decision (organization_id, intent_id, number, outcome, reason, decided_at, decision)
SELECT
    intent.organization_id,
    intent.intent_id,
    intent.decision_number,
    intent.outcome,
    intent.reason,
    intent.decided_at,
    intent.decision
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS given (organization_id, intent_id)
JOIN intent
  ON intent.organization_id = given.organization_id
 AND intent.intent_id = given.intent_id
ORDER BY intent.organization_id, intent.intent_id
