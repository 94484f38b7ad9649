-- How many records hold each word, which the rank of keyword search needs: a count over the index reads every record
-- with the word. A word is kept as its hash, so that these tables hold nothing of the texts.

-- The sums up to the last time that the server folded the changes in.
CREATE TABLE memory_words (
    word bigint PRIMARY KEY,
    records bigint NOT NULL,
    -- How often one record holds the word at most. A bound: a deletion leaves it as it is.
    most integer NOT NULL
) WITH (fillfactor = 70); -- room for the sums to change in place

-- What was written since then: a row for each statement or changed record. Writers only add rows, so that they never
-- wait for each other. Each change that can alter which records match a search has a row, so equal rows mean equal
-- matches; a fold leaves one with is_base. Without such a row the sums are not complete.
CREATE TABLE memory_word_changes (
    number bigint GENERATED ALWAYS AS IDENTITY,
    is_base boolean NOT NULL DEFAULT false,
    -- 1 for words that records have got, -1 for those that they have lost.
    sign integer NOT NULL DEFAULT 0,
    -- Each word of a record once.
    words bigint[],
    -- Those that a record holds several times, and how often.
    repeated bigint[],
    times integer[]
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
-- Hashes do not become smaller.
ALTER TABLE memory_word_changes ALTER COLUMN words SET STORAGE EXTERNAL;

-- They say nothing of an owner.
CREATE POLICY agent_memory_scope ON memory_words USING ((SELECT scope_is_set()));
CREATE POLICY agent_memory_scope ON memory_word_changes USING ((SELECT scope_is_set()));

CREATE FUNCTION add_memory_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- An upsert runs the triggers of both events, one of them without rows.
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    INSERT INTO memory_word_changes (sign, words, repeated, times)
    SELECT CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END, array_agg(r.word),
        array_agg(r.word) FILTER (WHERE r.times > 1), array_agg(r.times) FILTER (WHERE r.times > 1)
    FROM (
        SELECT hashtextextended(w.word, 0) AS word, count(*)::int AS times
        FROM changed c, unnest(string_to_array(btrim(c.keyword_text), '  ')) AS w (word) GROUP BY c.number, w.word
    ) r;
    RETURN NULL;
END
$$;

-- Of a changed record: the words that it lost and those that it holds now, or none if only what filters read changed.
CREATE FUNCTION change_memory_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.keyword_text = NEW.keyword_text THEN
        INSERT INTO memory_word_changes DEFAULT VALUES;
        RETURN NULL;
    END IF;
    INSERT INTO memory_word_changes (sign, words, repeated, times)
    SELECT t.sign, array_agg(r.word), array_agg(r.word) FILTER (WHERE r.times > 1),
        array_agg(r.times) FILTER (WHERE r.times > 1)
    FROM (VALUES (-1, OLD.keyword_text), (1, NEW.keyword_text)) AS t (sign, keyword_text) CROSS JOIN LATERAL (
        SELECT hashtextextended(w.word, 0) AS word, count(*)::int AS times
        FROM unnest(string_to_array(btrim(t.keyword_text), '  ')) AS w (word) GROUP BY w.word
    ) r GROUP BY t.sign;
    RETURN NULL;
END
$$;

-- The lock lets a fold end first, whose sums the deletion would not see.
CREATE FUNCTION clear_memory_words() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE memory_word_changes IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM memory_words;
    DELETE FROM memory_word_changes;
    INSERT INTO memory_word_changes (is_base) VALUES (true);
    RETURN NULL;
END
$$;

CREATE TRIGGER memories_words_inserted AFTER INSERT ON memories REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION add_memory_words();
CREATE TRIGGER memories_words_deleted AFTER DELETE ON memories REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION add_memory_words();
-- Statistics of accesses change no match.
CREATE TRIGGER memories_words_updated AFTER UPDATE OF keyword_text, id, session_id, user_id, namespace, memory_type,
    topics, entities, discrete_memory_extracted, extraction_strategy, memory_hash, created_at, event_date,
    metadata_terms ON memories FOR EACH ROW
    WHEN ((OLD.keyword_text, OLD.id, OLD.session_id, OLD.user_id, OLD.namespace, OLD.memory_type, OLD.topics,
        OLD.entities, OLD.discrete_memory_extracted, OLD.extraction_strategy, OLD.memory_hash, OLD.created_at,
        OLD.event_date, OLD.metadata_terms)
        IS DISTINCT FROM (NEW.keyword_text, NEW.id, NEW.session_id, NEW.user_id, NEW.namespace, NEW.memory_type,
        NEW.topics, NEW.entities, NEW.discrete_memory_extracted, NEW.extraction_strategy, NEW.memory_hash,
        NEW.created_at, NEW.event_date, NEW.metadata_terms))
    EXECUTE FUNCTION change_memory_words();
CREATE TRIGGER memories_words_truncated AFTER TRUNCATE ON memories
    FOR EACH STATEMENT EXECUTE FUNCTION clear_memory_words();

-- A store with records gets its sums from the server, without blocking writers meanwhile.
INSERT INTO memory_word_changes (is_base) SELECT true WHERE NOT EXISTS (SELECT FROM memories);
