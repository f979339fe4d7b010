-- Who is not suppressed and has no intent that is remembered is nobody any more, with all suppressions that were lifted.
WITH gone AS (
    DELETE FROM recipient
    WHERE recipient.organization_id = :organization_id
      AND recipient.number_hash = ANY(CAST(:number_hashes AS bytea[]))
      AND recipient.suppressed_at IS NULL
      AND NOT EXISTS (
          SELECT 1
          FROM intent
          WHERE intent.organization_id = recipient.organization_id
            AND intent.number_hash = recipient.number_hash
      )
    RETURNING recipient.recipient_id
)
DELETE FROM lifted_suppression
USING gone
WHERE lifted_suppression.organization_id = :organization_id
  AND lifted_suppression.recipient_id = gone.recipient_id
