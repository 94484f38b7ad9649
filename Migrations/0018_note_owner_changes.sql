-- A server may keep the codes of one user's vectors in its memory. These rows tell it whether they are still those of the
-- store, and which records it must read again.

CREATE TABLE memory_owner_changes (
    -- The hash of a user's id; 0 for all users.
    owner bigint NOT NULL,
    -- Random, so that the rows of one moment differ from those of any other, also in a database that has lost its last
    -- transactions in a failover.
    stamp bigint NOT NULL DEFAULT uuid_hash_extended(gen_random_uuid(), 0),
    -- Which records changed, by `memories.number`; NULL if any may have.
    numbers bigint[]
) WITH (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0);

CREATE INDEX memory_owner_changes_owner ON memory_owner_changes (owner) INCLUDE (stamp);

-- They say nothing of an owner.
CREATE POLICY agent_memory_scope ON memory_owner_changes USING ((SELECT scope_is_set()));

-- Writers only add rows, so that they never wait for each other, and need no rights on the table.
CREATE FUNCTION note_owner_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO memory_owner_changes (owner, numbers)
    SELECT hashtextextended(user_id, 0), CASE WHEN count(*) <= 1000 THEN array_agg(number) END
    FROM changed WHERE user_id IS NOT NULL GROUP BY user_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION note_new_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO memory_owner_changes (owner, numbers)
    SELECT hashtextextended(t.user_id, 0), ARRAY[OLD.number, NEW.number]
    FROM (VALUES (OLD.user_id), (NEW.user_id)) AS t (user_id) WHERE t.user_id IS NOT NULL GROUP BY t.user_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION note_change_of_all_owners() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO memory_owner_changes (owner) VALUES (0);
    RETURN NULL;
END
$$;

CREATE TRIGGER memories_owners_inserted AFTER INSERT ON memories REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_owner_changes();
CREATE TRIGGER memories_owners_deleted AFTER DELETE ON memories REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_owner_changes();
CREATE TRIGGER memories_owners_updated AFTER UPDATE OF number, id, user_id, namespace ON memories FOR EACH ROW
    WHEN ((OLD.number, OLD.id, OLD.user_id, OLD.namespace)
        IS DISTINCT FROM (NEW.number, NEW.id, NEW.user_id, NEW.namespace))
    EXECUTE FUNCTION note_new_owner();
CREATE TRIGGER memories_owners_truncated AFTER TRUNCATE ON memories
    FOR EACH STATEMENT EXECUTE FUNCTION note_change_of_all_owners();

-- As in 0014_defer_indexing.sql. A code that takes the place of another one is a change, too; a row that was there before
-- has a transaction in xmax, which locked it to replace it.
CREATE OR REPLACE FUNCTION keep_vector_codes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
BEGIN
    IF current_setting('agent_memory.moves_vectors', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM written) THEN
        EXECUTE format('WITH kept AS (INSERT INTO %I (number, id, user_id, namespace, bits) '
            'SELECT m.number, m.id, m.user_id, m.namespace, vector_code(%s) '
            'FROM written w JOIN memories m ON m.number = w.number WHERE m.user_id IS NOT NULL FOR SHARE OF m '
            'ON CONFLICT (number) DO UPDATE SET user_id = excluded.user_id, namespace = excluded.namespace, '
            'bits = excluded.bits RETURNING user_id, number, xmax) '
            'INSERT INTO memory_owner_changes (owner, numbers) '
            'SELECT hashtextextended(user_id, 0), CASE WHEN count(*) <= 1000 THEN array_agg(number) END '
            'FROM kept WHERE xmax::text <> ''0'' GROUP BY user_id',
            TG_TABLE_NAME || '_codes', stored_vector(TG_RELID));
    END IF;
    RETURN NULL;
END
$$;
