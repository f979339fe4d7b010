SELECT
    receiver,
    count(*) AS parcels,
    sum(items) AS items,
    CAST(extract(epoch FROM now() - min(created_at)) AS double precision) AS oldest_seconds
FROM outbox
GROUP BY receiver
