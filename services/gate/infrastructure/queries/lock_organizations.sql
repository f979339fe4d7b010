-- The row is the lock under which an organization's intents are decided; taken in the order of ids by everybody.
SELECT organization_id, policy_version, policy, lane_version
FROM organization
WHERE organization_id = ANY(CAST(:organization_ids AS text[]))
ORDER BY organization_id
FOR UPDATE
