DELETE FROM tombstone
WHERE (organization_id, intent_id) IN (
  SELECT tombstone.organization_id, tombstone.intent_id
  FROM tombstone
  WHERE tombstone.created_at < :before
  LIMIT :most
)
