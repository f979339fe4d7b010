SELECT organization_id, policy_version, policy, lane_version
FROM organization
WHERE organization_id = ANY(CAST(:organization_ids AS text[]))
