SELECT intent.organization_id, intent.intent_id, intent.number_hash
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS given (organization_id, intent_id)
JOIN intent
  ON intent.organization_id = given.organization_id
 AND intent.intent_id = given.intent_id
WHERE intent.number_hash IS NOT NULL
