-- Forget webhooks that were worked off; set them aside if there is a reason to.
WITH removed AS (
  DELETE FROM webhook_inbox
  WHERE webhook_inbox.inbox_id = ANY (CAST(:inbox_ids AS uuid[]))
  RETURNING webhook_inbox.inbox_id, webhook_inbox.provider, webhook_inbox.body
)
INSERT INTO webhook_refused (inbox_id, provider, body, reason)
SELECT removed.inbox_id, removed.provider, removed.body, CAST(:refused AS text)
FROM removed
WHERE CAST(:refused AS text) <> ''
