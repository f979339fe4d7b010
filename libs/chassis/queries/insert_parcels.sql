INSERT INTO outbox (parcel_id, receiver, payload, items, created_at, lease_until)
SELECT parcel_id, receiver, payload, items, now(), now() + CAST(:lease AS interval)
FROM unnest(
    CAST(:parcel_ids AS uuid[]),
    CAST(:receivers AS text[]),
    CAST(:payloads AS bytea[]),
    CAST(:items AS integer[])
) AS parcel (parcel_id, receiver, payload, items)
