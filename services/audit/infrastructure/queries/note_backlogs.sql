INSERT INTO backlog AS kept (organization_id, producer, waiting, oldest, measured_at)
SELECT organization_id, producer, waiting, oldest, measured_at
FROM unnest(
    CAST(:organization_id AS text[]),
    CAST(:producer AS text[]),
    CAST(:waiting AS bigint[]),
    CAST(:oldest AS timestamptz[]),
    CAST(:measured_at AS timestamptz[])
) AS seen (organization_id, producer, waiting, oldest, measured_at)
ON CONFLICT (organization_id, producer)
DO UPDATE SET
    waiting = excluded.waiting,
    oldest = excluded.oldest,
    measured_at = excluded.measured_at
WHERE kept.measured_at < excluded.measured_at
