-- Webhooks to work on, oldest first, without those that another executor works on.
SELECT webhook_inbox.inbox_id, webhook_inbox.body, webhook_inbox.received_at
FROM webhook_inbox
WHERE webhook_inbox.process_after <= statement_timestamp()
ORDER BY webhook_inbox.process_after
LIMIT :entries
FOR UPDATE SKIP LOCKED
