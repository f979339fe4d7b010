SELECT extract(epoch FROM min(cooldown_end) - now()) AS seconds
FROM instance
WHERE cooldown_end IS NOT NULL
