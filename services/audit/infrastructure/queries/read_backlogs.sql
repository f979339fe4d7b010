SELECT backlog.producer, backlog.waiting, backlog.oldest, backlog.measured_at
FROM backlog
WHERE backlog.organization_id = :organization_id
    AND backlog.measured_at >= :start
ORDER BY backlog.producer
