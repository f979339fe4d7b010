SELECT
    found.organization_id,
    found.request_id,
    found.intent_id,
    found.content_hash,
    found.decision_number,
    found.outcome,
    found.reason,
    found.decided_at,
    found.instance_id,
    found.decision
FROM unnest(CAST(:organization_ids AS text[]), CAST(:request_ids AS text[])) AS given (organization_id, request_id)
CROSS JOIN LATERAL (
    SELECT
        intent.organization_id,
        intent.request_id,
        intent.intent_id,
        intent.content_hash,
        intent.decision_number,
        intent.outcome,
        intent.reason,
        intent.decided_at,
        intent.instance_id,
        intent.decision
    FROM intent
    WHERE intent.organization_id = given.organization_id
      AND intent.request_id = given.request_id
    LIMIT 1
) AS found
