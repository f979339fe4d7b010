DELETE FROM webhook_refused
WHERE inbox_id IN (
  SELECT webhook_refused.inbox_id
  FROM webhook_refused
  WHERE webhook_refused.refused_at < :before
  LIMIT :most
)
