SELECT delete_rows_before(:before, :most) AS deleted
