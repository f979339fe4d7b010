-- Signals come in any order: what is known of a later time stands.
WITH reported AS (
    SELECT organization_id, instance_id, connected, at
    FROM unnest(
        CAST(:organization_ids AS text[]),
        CAST(:instance_ids AS text[]),
        CAST(:connecteds AS boolean[]),
        CAST(:ats AS timestamptz[])
    ) AS given (organization_id, instance_id, connected, at)
),
changed AS (
    SELECT instance.organization_id, instance.instance_id, instance.connected
    FROM reported
    JOIN instance
      ON instance.organization_id = reported.organization_id
     AND instance.instance_id = reported.instance_id
    WHERE instance.connected <> reported.connected
      AND instance.connection_at < reported.at
),
kept AS (
    UPDATE instance
    SET connected = reported.connected,
        connection_at = reported.at,
        version = instance.version + CAST(instance.connected <> reported.connected AS int)
    FROM reported
    WHERE instance.organization_id = reported.organization_id
      AND instance.instance_id = reported.instance_id
      AND instance.connection_at < reported.at
)
SELECT organization_id, instance_id
FROM changed
