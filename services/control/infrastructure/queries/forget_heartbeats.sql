DELETE FROM heartbeat
WHERE beaten_at < now() - interval '1 day'
