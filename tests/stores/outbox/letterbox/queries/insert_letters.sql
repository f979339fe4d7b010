-- Comments may hold colons: like :this one.
INSERT INTO letter (letter_id, body)
SELECT letter_id, body
FROM unnest(CAST(:letter_ids AS uuid[]), CAST(:bodies AS text[])) AS letter (letter_id, body)
