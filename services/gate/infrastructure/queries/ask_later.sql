INSERT INTO pending_cancel (organization_id, intent_id, actor, reason)
SELECT CAST(:organization_id AS text), intent_id, CAST(:actor AS text), CAST(:reason AS text)
FROM unnest(CAST(:intent_ids AS uuid[])) AS given (intent_id)
ORDER BY intent_id
ON CONFLICT DO NOTHING
