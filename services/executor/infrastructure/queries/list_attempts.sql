-- All attempts of the named jobs, in order.
SELECT
  attempt.organization_id,
  attempt.intent_id,
  attempt.number,
  attempt.taken_at,
  attempt.began_at,
  attempt.ended_at,
  attempt.outcome,
  attempt.reason,
  attempt.provider_code,
  attempt.provider_message_id,
  attempt.control_version,
  attempt.platform_version,
  attempt.delivery,
  attempt.contradiction
FROM unnest(CAST(:organization_ids AS text[]), CAST(:intent_ids AS uuid[])) AS named (organization_id, intent_id)
JOIN attempt
  ON attempt.organization_id = named.organization_id
  AND attempt.intent_id = named.intent_id
ORDER BY attempt.organization_id, attempt.intent_id, attempt.number
