-- One row, since its events are an array; the caller goes through them in key order.
INSERT INTO scope_interval AS kept (
    organization_id, scope_id, scope, target, began_at, ended_at, event_ids
)
VALUES (
    :organization_id, :scope_id, :scope, :target, :began_at,
    coalesce(CAST(:ended_at AS timestamptz), 'infinity'), CAST(:event_ids AS uuid[])
)
ON CONFLICT (organization_id, scope_id)
DO UPDATE SET
    began_at = least(kept.began_at, excluded.began_at),
    ended_at = least(kept.ended_at, excluded.ended_at),
    event_ids = kept.event_ids || excluded.event_ids
