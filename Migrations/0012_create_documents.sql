-- What a server keeps about memories and sessions in addition to them: summary views and their partitions, summaries of
-- sessions, tasks, what is being extracted.
CREATE TABLE documents (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- What lists find it by; empty for none.
    parent text COLLATE "C" NOT NULL,
    -- NULL where it has none, as in memories.
    namespace text COLLATE "C",
    user_id text COLLATE "C",
    -- json, not jsonb: numbers and the order of members come back as they were written.
    body json NOT NULL,
    -- One more with each write. Begins at the microseconds of the server's clock, so that a document that was deleted and
    -- made anew does not count through the same numbers again.
    revision bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE INDEX documents_parent ON documents (kind, parent, id);
CREATE INDEX documents_expires_at ON documents (expires_at) WHERE expires_at < 'infinity';

CREATE POLICY agent_memory_scope ON documents USING (
    ((SELECT scope_permits_all('namespaces'))
        OR namespace COLLATE "C" LIKE ANY ((SELECT scope_permits('namespaces'))::text[]))
    AND ((SELECT scope_permits_all('users')) OR user_id COLLATE "C" LIKE ANY ((SELECT scope_permits('users'))::text[]))
);
