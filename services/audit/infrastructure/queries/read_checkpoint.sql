SELECT size, note, signed_at
FROM evidence_checkpoint
WHERE size = :size
