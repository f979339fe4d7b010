SELECT organization_id, intent_id, actor, reason
FROM pending_cancel
WHERE CAST(:organization_id AS text) IS NULL
   OR organization_id = CAST(:organization_id AS text)
ORDER BY organization_id, intent_id
LIMIT :most
