INSERT INTO signal (
    organization_id, signal_id, instance_id, kind, count, code, intent_id, occurred_at, source
)
SELECT organization_id, signal_id, instance_id, kind, count, code, intent_id, occurred_at, source
FROM unnest(
    CAST(:organization_ids AS text[]),
    CAST(:signal_ids AS text[]),
    CAST(:instance_ids AS text[]),
    CAST(:kinds AS text[]),
    CAST(:counts AS int[]),
    CAST(:codes AS text[]),
    CAST(:intent_ids AS uuid[]),
    CAST(:occurred_ats AS timestamptz[]),
    CAST(:sources AS text[])
) AS given (organization_id, signal_id, instance_id, kind, count, code, intent_id, occurred_at, source)
ON CONFLICT DO NOTHING
RETURNING organization_id, signal_id
