INSERT INTO heartbeat (replica_id, lane, number)
VALUES (:replica_id, :lane, :number)
ON CONFLICT (replica_id, lane) DO UPDATE
SET number = excluded.number,
    beaten_at = now()
