SELECT receiver, count(*) AS items
FROM outbox_refused
GROUP BY receiver
