UPDATE instance
SET display_name = :display_name,
    provider_account = :provider_account,
    connected = :connected,
    version = :version
WHERE organization_id = :organization_id
  AND instance_id = :instance_id
