SELECT DISTINCT intent.organization_id, intent.campaign_id, intent.asked_instance_id
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS given (organization_id, intent_id)
JOIN intent
  ON intent.organization_id = given.organization_id
 AND intent.intent_id = given.intent_id
