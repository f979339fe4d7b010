SELECT organization_id, instance_id, connected, cooldown_end
FROM instance
WHERE organization_id = ANY(CAST(:organization_ids AS text[]))
