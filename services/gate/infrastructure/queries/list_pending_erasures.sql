SELECT organization_id, intent_id, actor
FROM pending_erasure
WHERE (CAST(:organization_id AS text) IS NULL OR organization_id = CAST(:organization_id AS text))
  AND (organization_id, intent_id) > (CAST(:after_organization_id AS text), CAST(:after_intent_id AS uuid))
ORDER BY organization_id, intent_id
LIMIT :most
