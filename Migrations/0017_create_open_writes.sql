-- Writes to a backend that makes no events itself, as long as they are open: one row for each, with the one who may end
-- it, and when it is overdue.
CREATE TABLE open_writes (
    id text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C" NOT NULL,
    ends_at timestamptz NOT NULL,
    -- The operation of its events, and what it is about to change; NULL before that is known.
    operation text COLLATE "C",
    intent json
);

-- What an open write holds: no two of them hold the same.
CREATE TABLE open_write_keys (
    key text COLLATE "C" PRIMARY KEY,
    write_id text COLLATE "C" NOT NULL
);
CREATE INDEX open_write_keys_write_id ON open_write_keys (write_id);

-- Only the server itself reads and writes them.
CREATE POLICY agent_memory_scope ON open_writes USING (
    (SELECT scope_permits_all('namespaces') AND scope_permits_all('users'))
);
CREATE POLICY agent_memory_scope ON open_write_keys USING (
    (SELECT scope_permits_all('namespaces') AND scope_permits_all('users'))
);
