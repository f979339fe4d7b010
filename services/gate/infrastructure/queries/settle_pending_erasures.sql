DELETE FROM pending_erasure
WHERE organization_id = :organization_id
  AND intent_id = ANY(CAST(:intent_ids AS uuid[]))
