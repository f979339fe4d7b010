-- A refused item goes back into the outbox by the one whose DELETE removed it; any process relays it at once.
WITH taken AS (
    DELETE FROM outbox_refused
    WHERE refused_id = ANY(CAST(:refused_ids AS bigint[]))
    RETURNING refused_id, receiver, payload
)
INSERT INTO outbox (parcel_id, receiver, payload, items, created_at, lease_until)
SELECT parcel.parcel_id, taken.receiver, taken.payload, 1, now(), now() - interval '1 second'
FROM unnest(CAST(:refused_ids AS bigint[]), CAST(:parcel_ids AS uuid[])) AS parcel (refused_id, parcel_id)
JOIN taken ON taken.refused_id = parcel.refused_id
