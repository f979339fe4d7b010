-- How the sends of canaries went: those that the last check refused are not counted, those under way have no outcome yet.
SELECT
  canary_send.control_id,
  count(*) AS sends,
  count(*) FILTER (WHERE attempt.outcome = 'SENT' AND attempt.delivery IS DISTINCT FROM 'FAILED') AS succeeded,
  count(*) FILTER (WHERE attempt.outcome <> 'SENT' OR attempt.delivery = 'FAILED') AS failed
FROM canary_send
LEFT JOIN attempt
  ON attempt.organization_id = canary_send.organization_id
  AND attempt.intent_id = canary_send.intent_id
  AND attempt.number = canary_send.attempt
WHERE canary_send.control_id = ANY (CAST(:control_ids AS uuid[]))
  AND attempt.outcome IS DISTINCT FROM 'ABORTED'
GROUP BY canary_send.control_id
