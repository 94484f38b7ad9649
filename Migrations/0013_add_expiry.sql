-- When a record expires; NULL for one that stays. The server removes what has expired, and creates the index without
-- blocking writers.
ALTER TABLE memories ADD COLUMN expires_at timestamptz;
