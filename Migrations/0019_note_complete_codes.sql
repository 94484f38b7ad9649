-- Whether each vector of a record with a user has a code. Triggers write the code together with the vector, so it stays
-- true once it is.
ALTER TABLE vector_spaces ADD COLUMN has_all_codes boolean NOT NULL DEFAULT false;
