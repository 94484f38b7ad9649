-- Working memory: a session, its messages, its structured memories, and the history of its writes. All that belongs to
-- a session is written under the lock of its row in `sessions`.
CREATE TABLE sessions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id text COLLATE "C" NOT NULL,
    -- Empty where the session has none, which no value can be: a unique constraint would hold two NULLs different.
    namespace text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    -- One more with each write. Begins at the microseconds of the server's clock, so that a session that was deleted and
    -- made anew does not count through the same numbers again.
    revision bigint NOT NULL,
    message_count bigint NOT NULL,
    -- Above the position of every message.
    next_position bigint NOT NULL,
    -- json, not jsonb: numbers and the order of members come back as they were written.
    data json,
    -- A JSON string, so that it can hold every character, U+0000 too.
    context json,
    tokens bigint NOT NULL,
    strategy text COLLATE "C" NOT NULL,
    strategy_config json NOT NULL,
    ttl_seconds bigint,
    -- By the server's clock; 'infinity' without a time to live. From then on the session counts as absent.
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    last_accessed timestamptz NOT NULL,
    UNIQUE (session_id, namespace, user_id)
) WITH (fillfactor = 85); -- room for the counters of a session to change in place

CREATE INDEX sessions_namespace ON sessions (namespace, session_id);
CREATE INDEX sessions_user_id ON sessions (user_id, session_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at) WHERE expires_at < 'infinity';

-- The conversation, in the order of the positions, which may have gaps.
CREATE TABLE session_messages (
    session_number bigint NOT NULL REFERENCES sessions ON DELETE CASCADE,
    position bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    content text NOT NULL,
    created_at timestamptz NOT NULL,
    persisted_at timestamptz,
    discrete_memory_extracted boolean NOT NULL,
    PRIMARY KEY (session_number, position)
);

-- Those that are not in long-term memory yet are marked by their ids.
CREATE INDEX session_messages_to_persist ON session_messages (session_number, id) WHERE persisted_at IS NULL;

CREATE TABLE session_memories (
    session_number bigint NOT NULL REFERENCES sessions ON DELETE CASCADE,
    position bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- All but persisted_at, which is null here.
    body json NOT NULL,
    persisted_at timestamptz,
    PRIMARY KEY (session_number, position)
);

-- The last writes of a session; older ones are deleted.
CREATE TABLE session_revisions (
    session_number bigint NOT NULL REFERENCES sessions ON DELETE CASCADE,
    number bigint NOT NULL,
    stamp timestamptz NOT NULL,
    writer_stamp timestamptz,
    message_count bigint NOT NULL,
    PRIMARY KEY (session_number, number)
);

-- Background work. A job that waits may be leased from run_at on; one that is leased, when its lease ends.
CREATE TABLE jobs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    payload json NOT NULL,
    enqueued_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    -- Leases since the job was enqueued or requeued.
    attempts bigint NOT NULL,
    -- Of the last lease; NULL when it was given back.
    lease_token uuid,
    -- Given up until somebody requeues it: the dead-letter list.
    is_dead boolean NOT NULL,
    -- Why the last attempt failed.
    reason text
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE INDEX jobs_run_at ON jobs (run_at, number) WHERE NOT is_dead;
CREATE INDEX jobs_dead ON jobs (enqueued_at, number) WHERE is_dead;
