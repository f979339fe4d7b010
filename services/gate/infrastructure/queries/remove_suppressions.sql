UPDATE recipient
SET suppressed_at = NULL,
    suppressed_by = NULL,
    suppression_reason = NULL
WHERE organization_id = :organization_id
  AND number_hash = ANY(CAST(:number_hashes AS bytea[]))
  AND suppressed_at IS NOT NULL
