SELECT intent_id
FROM intent
WHERE organization_id = :organization_id
  AND number_hash = :number_hash
  AND state = 'QUEUED'
