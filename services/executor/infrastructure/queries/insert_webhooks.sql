-- Keep webhooks as they came, several in one commit.
INSERT INTO webhook_inbox (inbox_id, provider, body)
SELECT given.inbox_id, 'whatsapp', given.body
FROM unnest(CAST(:inbox_ids AS uuid[]), CAST(:bodies AS bytea[])) AS given (inbox_id, body)
