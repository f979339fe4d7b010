SELECT count(*) AS pending
FROM pending_erasure
WHERE organization_id = :organization_id
