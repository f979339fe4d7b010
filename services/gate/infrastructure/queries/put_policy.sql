WITH kept AS (
    INSERT INTO policy (organization_id, version, document, created_at, created_by)
    VALUES (
        CAST(:organization_id AS text),
        CAST(:version AS bigint),
        CAST(:document AS bytea),
        CAST(:created_at AS timestamptz),
        CAST(:created_by AS text)
    )
)
UPDATE organization
SET policy_version = CAST(:version AS bigint),
    policy = CAST(:document AS bytea)
WHERE organization_id = CAST(:organization_id AS text)
