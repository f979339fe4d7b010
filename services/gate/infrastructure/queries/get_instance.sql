SELECT
    instance_id,
    display_name,
    provider,
    provider_account,
    connected,
    version,
    created_at,
    cooldown_reason,
    cooldown_level,
    cooldown_start,
    cooldown_end
FROM instance
WHERE organization_id = :organization_id
  AND instance_id = :instance_id
