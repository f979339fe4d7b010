UPDATE intent
SET failed = true
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS given (organization_id, intent_id)
WHERE intent.organization_id = given.organization_id
  AND intent.intent_id = given.intent_id
  AND intent.state = 'APPROVED'
