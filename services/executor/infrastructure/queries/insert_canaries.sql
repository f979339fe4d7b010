-- Note canaries that are new.
INSERT INTO canary (control_id)
SELECT given.control_id
FROM unnest(CAST(:control_ids AS uuid[])) AS given (control_id)
ORDER BY given.control_id
ON CONFLICT (control_id) DO NOTHING
