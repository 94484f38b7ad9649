-- Which memories were deleted, and when by the server's clock: what was handed in for promotion before that is not stored again.
-- The server removes rows after a while.
CREATE TABLE memory_deletions (
    id text COLLATE "C" PRIMARY KEY,
    deleted_at timestamptz NOT NULL
);

CREATE INDEX memory_deletions_deleted_at ON memory_deletions (deleted_at);
