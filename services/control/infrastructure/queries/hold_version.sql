-- Whoever changes a pause holds its organization's version first, so that changes of one organization follow each other;
-- the permit limit stays as read until the commit. The platform's version is as old as the begin of the wait.
WITH held AS (
    INSERT INTO control_version (organization_id, version)
    VALUES (:organization_id, 0)
    ON CONFLICT (organization_id) DO UPDATE
    SET version = control_version.version
    RETURNING version
)
SELECT
    held.version,
    (
        SELECT control_version.version
        FROM control_version
        WHERE control_version.organization_id = ''
    ) AS platform_version,
    permit_limit.ttl_max,
    clock_timestamp() AS now
FROM held
CROSS JOIN permit_limit
FOR SHARE OF permit_limit
