SELECT recipient_id, suppressed_at, suppressed_by, suppression_reason
FROM recipient
WHERE organization_id = :organization_id
  AND number_hash = :number_hash
