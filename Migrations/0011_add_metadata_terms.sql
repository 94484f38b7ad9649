-- The terms that filters on metadata look for: digests of its keys and values, and the positions of numbers. NULL for
-- rows that an older server wrote; the server fills them in. The server also creates the
-- indexes, without blocking writers.
ALTER TABLE memories ADD COLUMN metadata_terms text[] COLLATE "C";
