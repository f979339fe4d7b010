-- Whoever changes a pause holds its organization's version first, so that changes of one organization follow each other;
-- the permit limit stays as read until the commit.
WITH held AS (
    INSERT INTO control_version (organization_id, version)
    VALUES (:organization_id, 0)
    ON CONFLICT (organization_id) DO UPDATE
    SET version = control_version.version
    RETURNING version
)
SELECT held.version, permit_limit.ttl_max, clock_timestamp() AS now
FROM held
CROSS JOIN permit_limit
FOR SHARE OF permit_limit
