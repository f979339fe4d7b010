INSERT INTO pending_erasure (organization_id, intent_id, actor)
SELECT CAST(:organization_id AS text), intent_id, CAST(:actor AS text)
FROM unnest(CAST(:intent_ids AS uuid[])) AS given (intent_id)
ORDER BY intent_id
ON CONFLICT DO NOTHING
