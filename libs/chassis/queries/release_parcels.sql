UPDATE outbox
SET lease_until = now()
WHERE receiver = :receiver
  AND parcel_id = ANY(CAST(:parcel_ids AS uuid[]))
