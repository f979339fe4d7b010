UPDATE instance
SET cooldown_reason = NULL,
    cooldown_level = NULL,
    cooldown_start = NULL,
    cooldown_end = NULL,
    counted_from = CAST(:at AS timestamptz),
    version = version + 1
WHERE organization_id = :organization_id
  AND instance_id = :instance_id
