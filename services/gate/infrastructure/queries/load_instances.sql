-- Instances with their counts of the windows that are not over.
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
FROM instance
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
WHERE instance.organization_id = ANY(CAST(:organization_ids AS text[]))
ORDER BY instance.organization_id, instance.instance_id
