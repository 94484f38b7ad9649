-- Long-term memories. Everything that is compared or ordered is collated "C": by code points, whatever the database's
-- locale.
CREATE TABLE memories (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    text text NOT NULL,
    session_id text COLLATE "C",
    user_id text COLLATE "C",
    namespace text COLLATE "C",
    memory_type text COLLATE "C" NOT NULL,
    topics text[] COLLATE "C" NOT NULL,
    entities text[] COLLATE "C" NOT NULL,
    extracted_from text[] COLLATE "C" NOT NULL,
    discrete_memory_extracted boolean NOT NULL,
    extraction_strategy text COLLATE "C" NOT NULL,
    -- json, not jsonb: numbers and the order of members come back as they were written.
    extraction_strategy_config json NOT NULL,
    metadata json NOT NULL,
    memory_hash text COLLATE "C" NOT NULL,
    pinned boolean NOT NULL,
    access_count bigint NOT NULL,
    created_at timestamptz NOT NULL,
    last_accessed timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    persisted_at timestamptz,
    event_date timestamptz,
    -- The analyser's words in order, each with a blank on both sides of its own: ' red  fox '. So a phrase is a
    -- substring, and neither the server's text search parser nor its limits on positions and lexemes come into it.
    keyword_text text COLLATE "C" NOT NULL,
    keyword_count integer NOT NULL
) WITH (fillfactor = 85); -- room for the counters of a record to change in place

-- One index each for the fields that scope a query: the newest of a scope are read in order, and counted from the
-- index alone.
CREATE INDEX memories_created_at ON memories (created_at DESC, id);
CREATE INDEX memories_user_id ON memories (user_id, created_at DESC, id);
CREATE INDEX memories_session_id ON memories (session_id, created_at DESC, id);
CREATE INDEX memories_namespace ON memories (namespace, created_at DESC, id);
CREATE INDEX memories_memory_hash ON memories (memory_hash);
CREATE INDEX memories_event_date ON memories (event_date) WHERE event_date IS NOT NULL;
CREATE INDEX memories_to_extract ON memories (created_at) WHERE NOT discrete_memory_extracted;
CREATE INDEX memories_topics ON memories USING gin (topics);
CREATE INDEX memories_entities ON memories USING gin (entities);
CREATE INDEX memories_keywords ON memories USING gin (string_to_array(btrim(keyword_text), '  '));

-- Vectors live beside their records, so that a change of a record's other fields never touches the vector index. Up
-- to 2,000 dimensions they stay in the row (no detour for an exact scan), longer ones go out of line uncompressed.
CREATE TABLE memory_embeddings (
    number bigint PRIMARY KEY REFERENCES memories ON DELETE CASCADE,
    embedding vector NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE memory_embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;

-- How many records there are and how many words they hold together: the sum of all rows. Writers only add rows, so
-- that they never wait for each other; the server folds the rows into one from time to time.
CREATE TABLE memory_totals (
    records bigint NOT NULL,
    words bigint NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE FUNCTION add_memory_totals() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO memory_totals VALUES (1, NEW.keyword_count);
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO memory_totals VALUES (0, NEW.keyword_count - OLD.keyword_count);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO memory_totals VALUES (-1, -OLD.keyword_count);
    ELSE
        DELETE FROM memory_totals;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER memories_inserted AFTER INSERT ON memories FOR EACH ROW EXECUTE FUNCTION add_memory_totals();
CREATE TRIGGER memories_updated AFTER UPDATE OF keyword_count ON memories FOR EACH ROW
    WHEN (OLD.keyword_count <> NEW.keyword_count) EXECUTE FUNCTION add_memory_totals();
CREATE TRIGGER memories_deleted AFTER DELETE ON memories FOR EACH ROW EXECUTE FUNCTION add_memory_totals();
CREATE TRIGGER memories_truncated AFTER TRUNCATE ON memories FOR EACH STATEMENT EXECUTE FUNCTION add_memory_totals();
