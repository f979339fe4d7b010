-- Keep statuses that came before their send's own answer was stored, for a moment later.
INSERT INTO webhook_inbox (inbox_id, provider, body, received_at, process_after)
SELECT
  given.inbox_id,
  'whatsapp',
  given.body,
  given.received_at,
  statement_timestamp() + CAST(:after_seconds AS double precision) * interval '1 second'
FROM unnest(
  CAST(:inbox_ids AS uuid[]),
  CAST(:bodies AS bytea[]),
  CAST(:receiveds_at AS timestamptz[])
) AS given (inbox_id, body, received_at)
