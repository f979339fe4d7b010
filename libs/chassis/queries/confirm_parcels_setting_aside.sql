-- A refused item is set aside once: by the one whose DELETE removed its parcel.
WITH confirmed AS (
    DELETE FROM outbox
    USING unnest(CAST(:receivers AS text[]), CAST(:parcel_ids AS uuid[])) AS done (receiver, parcel_id)
    WHERE outbox.receiver = done.receiver
      AND outbox.parcel_id = done.parcel_id
    RETURNING outbox.receiver, outbox.parcel_id
)
INSERT INTO outbox_refused (receiver, item_id, payload, reason, message, refused_at)
SELECT confirmed.receiver, refused.item_id, refused.payload, refused.reason, refused.message, now()
FROM unnest(
    CAST(:refused_parcel_ids AS uuid[]),
    CAST(:item_ids AS text[]),
    CAST(:payloads AS bytea[]),
    CAST(:reasons AS text[]),
    CAST(:messages AS text[])
) AS refused (parcel_id, item_id, payload, reason, message)
JOIN confirmed ON confirmed.parcel_id = refused.parcel_id
