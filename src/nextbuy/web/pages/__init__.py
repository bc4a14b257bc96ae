"""The pages: each module reads what its template of the same name shows."""
