-- The newest plan of a scope counts: earlier ones of the same target that are still under way reach the full pace now.
UPDATE pause
SET full_pace_at = CAST(:now AS timestamptz)
WHERE organization_id = :organization_id
  AND scope = :scope
  AND target = :target
  AND plan IN ('RAMP', 'CANARY')
  AND failed_control_id IS NULL
  AND coalesce(full_pace_at, 'infinity') > CAST(:now AS timestamptz)
