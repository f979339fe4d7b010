-- All instances of some organizations and, of others, those that are named; with their counts of the windows that are not over.
SELECT
    instance.organization_id,
    instance.instance_id,
    instance.connected,
    instance.provider,
    instance.provider_account,
    instance.tat,
    instance.cooldown_reason,
    instance.cooldown_level,
    instance.cooldown_start,
    instance.cooldown_end,
    counts.pers,
    counts.numbers,
    counts.useds
FROM (
    SELECT instance.*
    FROM instance
    WHERE instance.organization_id = ANY(CAST(:organization_ids AS text[]))
    UNION ALL
    SELECT instance.*
    FROM unnest(CAST(:named_in AS text[]), CAST(:named AS text[])) AS named (organization_id, instance_id)
    INNER JOIN instance ON instance.organization_id = named.organization_id AND instance.instance_id = named.instance_id
) AS instance
CROSS JOIN LATERAL (
    SELECT
        array_agg(slot_count.per) AS pers,
        array_agg(slot_count.number) AS numbers,
        array_agg(slot_count.used) AS useds
    FROM slot_count
    WHERE slot_count.organization_id = instance.organization_id
      AND slot_count.instance_id = instance.instance_id
      AND slot_count.number >= CASE slot_count.per WHEN 'HOUR' THEN CAST(:hour AS bigint) ELSE CAST(:day AS bigint) END
) AS counts
ORDER BY instance.organization_id, instance.instance_id
