SELECT
    refused_id,
    receiver,
    item_id,
    reason,
    message,
    octet_length(payload) AS content_bytes,
    refused_at
FROM outbox_refused
WHERE refused_id > :after
ORDER BY refused_id
LIMIT CAST(:most AS integer)
