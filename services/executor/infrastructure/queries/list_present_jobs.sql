-- Which of the named jobs exist.
SELECT job.organization_id, job.intent_id
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS named (organization_id, intent_id)
JOIN job
  ON job.organization_id = named.organization_id
  AND job.intent_id = named.intent_id
