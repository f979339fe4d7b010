SELECT number_hash
FROM recipient
WHERE organization_id = :organization_id
  AND recipient_id = CAST(:recipient_id AS uuid)
