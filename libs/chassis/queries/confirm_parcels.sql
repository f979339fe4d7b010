DELETE FROM outbox
USING unnest(CAST(:receivers AS text[]), CAST(:parcel_ids AS uuid[])) AS done (receiver, parcel_id)
WHERE outbox.receiver = done.receiver
  AND outbox.parcel_id = done.parcel_id
