INSERT INTO instance (
    organization_id, instance_id, display_name, provider, provider_account, connected, version, created_at
)
VALUES (
    :organization_id, :instance_id, :display_name, :provider, :provider_account, :connected, :version, :created_at
)
