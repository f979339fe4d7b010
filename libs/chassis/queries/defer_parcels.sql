UPDATE outbox
SET lease_until = now() + least(interval '5 minutes', interval '1 second' * power(2, least(tries, 10)))
WHERE receiver = :receiver
  AND parcel_id = ANY(CAST(:parcel_ids AS uuid[]))
