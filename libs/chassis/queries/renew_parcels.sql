UPDATE outbox
SET lease_until = now() + CAST(:lease AS interval)
WHERE receiver = :receiver
  AND parcel_id = ANY(CAST(:parcel_ids AS uuid[]))
RETURNING parcel_id
