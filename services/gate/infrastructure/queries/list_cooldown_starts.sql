SELECT start_time
FROM cooldown
WHERE organization_id = :organization_id
  AND instance_id = :instance_id
  AND start_time > :since
