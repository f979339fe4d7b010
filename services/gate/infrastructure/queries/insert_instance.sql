INSERT INTO instance (
    organization_id, instance_id, display_name, provider, provider_account, connected, connection_at, version, created_at
)
VALUES (
    :organization_id,
    :instance_id,
    :display_name,
    :provider,
    :provider_account,
    :connected,
    CAST(:created_at AS timestamptz),
    :version,
    CAST(:created_at AS timestamptz)
)
