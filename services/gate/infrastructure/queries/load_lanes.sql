SELECT instance_id, provider, provider_account
FROM instance
WHERE organization_id = :organization_id
ORDER BY instance_id
