-- Cancel jobs on arrival.
INSERT INTO tombstone (organization_id, intent_id, reason, actor)
SELECT named.organization_id, named.intent_id, :reason, :actor
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS named (organization_id, intent_id)
ON CONFLICT (organization_id, intent_id) DO NOTHING
