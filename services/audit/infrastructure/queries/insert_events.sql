-- Stores what is not there yet, in the order given (ascending ids, so that no two batches wait for each other).
INSERT INTO operational_event (
    event_id, organization_id, aggregate_type, aggregate_id, sequence, event_type, instance_id, campaign_id,
    reason, occurred_at, recorded_at, clamped, producer, trace_id, actor, body
)
SELECT
    event_id, organization_id, aggregate_type, aggregate_id, sequence, event_type, instance_id, campaign_id,
    reason, occurred_at, recorded_at, clamped, producer, trace_id, actor, body
FROM unnest(
    CAST(:event_id AS uuid[]),
    CAST(:organization_id AS text[]),
    CAST(:aggregate_type AS text[]),
    CAST(:aggregate_id AS text[]),
    CAST(:sequence AS bigint[]),
    CAST(:event_type AS text[]),
    CAST(:instance_id AS text[]),
    CAST(:campaign_id AS text[]),
    CAST(:reason AS text[]),
    CAST(:occurred_at AS timestamptz[]),
    CAST(:recorded_at AS timestamptz[]),
    CAST(:clamped AS boolean[]),
    CAST(:producer AS text[]),
    CAST(:trace_id AS text[]),
    CAST(:actor AS text[]),
    CAST(:body AS bytea[])
) AS arrival (
    event_id, organization_id, aggregate_type, aggregate_id, sequence, event_type, instance_id, campaign_id,
    reason, occurred_at, recorded_at, clamped, producer, trace_id, actor, body
)
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id
