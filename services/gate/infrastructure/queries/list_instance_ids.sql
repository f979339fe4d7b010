SELECT organization_id, instance_id
FROM instance
WHERE organization_id = ANY(CAST(:organization_ids AS text[]))
