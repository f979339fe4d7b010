UPDATE instance
SET display_name = :display_name,
    provider_account = :provider_account,
    connection_at = CASE
        WHEN connected <> CAST(:connected AS boolean) THEN CAST(:at AS timestamptz)
        ELSE connection_at
    END,
    connected = CAST(:connected AS boolean),
    version = :version
WHERE organization_id = :organization_id
  AND instance_id = :instance_id
