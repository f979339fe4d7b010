SELECT size, note, signed_at
FROM evidence_checkpoint
ORDER BY size DESC
LIMIT 1
