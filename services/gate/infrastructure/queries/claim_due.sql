SELECT waiting.organization_id, waiting.intent_id
FROM waiting
JOIN unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) WITH ORDINALITY
    AS given (organization_id, intent_id, place)
  ON waiting.organization_id = given.organization_id
 AND waiting.intent_id = given.intent_id
WHERE waiting.due_at <= CAST(:now AS timestamptz)
ORDER BY given.place
FOR UPDATE OF waiting SKIP LOCKED
