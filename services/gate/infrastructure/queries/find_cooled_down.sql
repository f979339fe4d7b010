SELECT organization_id, instance_id, cooldown_end
FROM instance
WHERE cooldown_end <= now()
ORDER BY cooldown_end
LIMIT 100
