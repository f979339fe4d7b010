SELECT recipient_id, suppressed_at, suppressed_by, suppression_reason
FROM recipient
WHERE organization_id = :organization_id
  AND suppressed_at IS NOT NULL
  AND (suppressed_at, recipient_id) < (CAST(:before AS timestamptz), CAST(:before_id AS uuid))
ORDER BY suppressed_at DESC, recipient_id DESC
LIMIT :most
