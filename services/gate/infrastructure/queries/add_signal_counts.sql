INSERT INTO signal_count (organization_id, instance_id, minute, kind, count)
SELECT organization_id, instance_id, minute, kind, count
FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:instance_ids AS text[]),
    CAST(:minutes AS timestamptz[]),
    CAST(:kinds AS text[]),
    CAST(:counts AS bigint[])
) AS given (organization_id, instance_id, minute, kind, count)
ORDER BY organization_id, instance_id, minute, kind
ON CONFLICT (organization_id, instance_id, minute, kind) DO UPDATE
SET count = signal_count.count + EXCLUDED.count
