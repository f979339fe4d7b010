SELECT suppressed_at, suppressed_by, suppression_reason, lifted_at, lifted_by, lift_reason
FROM lifted_suppression
WHERE organization_id = :organization_id
  AND recipient_id = CAST(:recipient_id AS uuid)
ORDER BY lifted_at DESC
LIMIT 100
