WITH advanced AS (
    UPDATE control_version
    SET version = :version
    WHERE organization_id = :organization_id
    RETURNING pg_notify('whatlead_control', organization_id)
)
INSERT INTO pause (
    organization_id,
    control_id,
    scope,
    target,
    reason,
    source,
    paused_until,
    paused_by,
    peer,
    request_id,
    state,
    begun_version,
    version,
    ttl_max,
    created_at
)
SELECT
    :organization_id,
    CAST(:control_id AS uuid),
    :scope,
    :target,
    :reason,
    :source,
    CAST(:paused_until AS timestamptz),
    :paused_by,
    :peer,
    :request_id,
    :state,
    CAST(:version AS bigint),
    CAST(:version AS bigint),
    CAST(:ttl_max AS interval),
    CAST(:created_at AS timestamptz)
FROM advanced
