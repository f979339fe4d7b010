-- From where the newest one ends, so that weeks in which audit was off have theirs before their events arrive.
SELECT ensure_partitions(
    begins.at,
    CAST(:weeks + ceil(extract(epoch FROM now() - begins.at) / 604800) AS integer)
) AS made
FROM (
    SELECT greatest(
        now() - CAST(:keep AS interval),
        least(now(), max(CAST(to_date(right(relname, 8), 'YYYYMMDD') + 7 AS timestamp) AT TIME ZONE 'UTC'))
    ) AS at
    FROM pg_inherits
    JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = CAST('operational_event' AS regclass)
        AND relname ~ '^operational_event_[0-9]{8}$'
) AS begins
