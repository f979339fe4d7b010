-- Be the one who does this request, or learn what came of it; a second one waits here for the first.
INSERT INTO request (organization_id, request_id, method, fingerprint, answer)
VALUES (:organization_id, :request_id, :method, :fingerprint, '')
ON CONFLICT (organization_id, method, request_id) DO UPDATE
SET request_id = excluded.request_id
RETURNING request.fingerprint, request.answer
