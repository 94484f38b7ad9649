-- Access tokens under the SHA-256 of their secret, in hexadecimal digits. The secret itself is stored nowhere.
CREATE TABLE access_tokens (
    hash text COLLATE "C" PRIMARY KEY,
    description text NOT NULL,
    rights text[] NOT NULL,
    -- Patterns: a value, a prefix with * at its end, or * for everything.
    namespaces text[] NOT NULL,
    user_ids text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    -- Written once a minute at most.
    last_used_at timestamptz
);

CREATE INDEX access_tokens_created_at ON access_tokens (created_at, hash);

-- How often the tokens have changed, in one row at most: servers read it to know whether what they remember still holds.
CREATE TABLE access_token_changes (
    is_only boolean PRIMARY KEY CHECK (is_only),
    revision bigint NOT NULL
);
