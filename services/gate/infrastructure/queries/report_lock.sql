UPDATE instance
SET lock_reported_at = CAST(:now AS timestamptz)
WHERE organization_id = :organization_id
  AND instance_id = :instance_id
  AND (lock_reported_at IS NULL OR lock_reported_at <= CAST(:now AS timestamptz) - interval '1 minute')
