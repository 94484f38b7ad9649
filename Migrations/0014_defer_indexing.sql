-- A vector may wait in the column `unindexed` of its table, outside of the HNSW index, because inserting it there takes
-- many times as long as storing it. The server adds the column to each table of vectors, searches both parts, and moves
-- what waits in the background.

-- The first table gets it here, so that a server that fails over to another database finds it there; the server adds it
-- to those of other models.
ALTER TABLE IF EXISTS memory_embeddings ADD COLUMN IF NOT EXISTS unindexed vector;
ALTER TABLE IF EXISTS memory_embeddings ALTER COLUMN unindexed SET STORAGE EXTERNAL,
    ALTER COLUMN unindexed SET STATISTICS 0, ALTER COLUMN embedding SET STATISTICS 0,
    ALTER COLUMN embedding DROP NOT NULL;

-- The vector of a row as an expression: a table that an older server has created lacks the column.
CREATE FUNCTION stored_vector(vectors regclass) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = vectors AND attname = 'unindexed' AND NOT attisdropped
    ) THEN 'coalesce(embedding, unindexed)' ELSE 'embedding' END
$$;

-- As in 0008_create_vector_codes.sql. A vector that moves keeps its code.
CREATE OR REPLACE FUNCTION keep_vector_codes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
BEGIN
    IF current_setting('agent_memory.moves_vectors', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM written) THEN
        EXECUTE format('INSERT INTO %I (number, id, user_id, namespace, bits) '
            'SELECT m.number, m.id, m.user_id, m.namespace, vector_code(%s) '
            'FROM written w JOIN memories m ON m.number = w.number WHERE m.user_id IS NOT NULL FOR SHARE OF m '
            'ON CONFLICT (number) DO UPDATE SET user_id = excluded.user_id, namespace = excluded.namespace, '
            'bits = excluded.bits', TG_TABLE_NAME || '_codes', stored_vector(TG_RELID));
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION move_vector_codes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    vectors text;
BEGIN
    FOR vectors IN SELECT table_name FROM vector_spaces ORDER BY number LOOP
        IF to_regclass(format('%I', vectors || '_codes')) IS NOT NULL THEN
            EXECUTE format('DELETE FROM %I WHERE number = $1', vectors || '_codes') USING NEW.number;
            EXECUTE format('INSERT INTO %I (number, id, user_id, namespace, bits) '
                'SELECT number, $2, $3, $4, vector_code(%s) FROM %I WHERE number = $1 AND $3 IS NOT NULL',
                vectors || '_codes', stored_vector(format('%I', vectors)::regclass), vectors)
                USING NEW.number, NEW.id, NEW.user_id, NEW.namespace;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- One row for each statement in place of one for each record.
CREATE FUNCTION sum_memory_totals() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO memory_totals SELECT count(*), sum(keyword_count) FROM changed HAVING count(*) > 0;
    ELSE
        INSERT INTO memory_totals SELECT -count(*), -sum(keyword_count) FROM changed HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER memories_inserted ON memories;
DROP TRIGGER memories_deleted ON memories;
CREATE TRIGGER memories_inserted AFTER INSERT ON memories REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION sum_memory_totals();
CREATE TRIGGER memories_deleted AFTER DELETE ON memories REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION sum_memory_totals();
