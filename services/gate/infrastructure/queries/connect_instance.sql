UPDATE instance
SET connected = CAST(:connected AS boolean),
    version = version + 1
WHERE organization_id = :organization_id
  AND instance_id = :instance_id
  AND connected <> CAST(:connected AS boolean)
