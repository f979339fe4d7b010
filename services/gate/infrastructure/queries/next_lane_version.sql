UPDATE organization
SET lane_version = lane_version + 1
WHERE organization_id = :organization_id
RETURNING lane_version
