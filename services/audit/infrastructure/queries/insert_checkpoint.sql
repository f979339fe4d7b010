INSERT INTO evidence_checkpoint (size, note) VALUES (:size, :note)
