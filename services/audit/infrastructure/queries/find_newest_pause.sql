SELECT held.scope_id
FROM scope_interval AS held
WHERE held.organization_id = :organization_id
    AND held.scope = :scope
    AND held.target = :target
    AND held.scope_id NOT LIKE 'cooldown/%'
ORDER BY held.began_at DESC
LIMIT 1
