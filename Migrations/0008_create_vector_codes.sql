-- A code of each vector: a search among the records of one user reads the codes, which lie together in an index by
-- owner, in place of the vectors, which are scattered over a table many times as large. It measures exactly only the
-- vectors with the most similar codes. The server creates the table of codes of a table of vectors, with its triggers.

-- Three bits for each dimension: whether the value of the normalized vector lies above -t, 0 and t, where t is 0.7
-- times the root mean square of its values. The larger the angle between two vectors, the more bits differ.
CREATE FUNCTION vector_code(v vector) RETURNS varbit LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT (binary_quantize(u.direction - u.t) || binary_quantize(u.direction) || binary_quantize(u.direction + u.t))::varbit
    FROM (SELECT l2_normalize(v) AS direction,
        array_fill((0.7 / sqrt(vector_dims(v)))::real, ARRAY[vector_dims(v)])::vector AS t OFFSET 0) u
);

-- Codes follow the vectors of every writer, also of a server that does not use them. The lock keeps the owner of a
-- record as it is until its code is committed. A writer needs no rights on the codes.
CREATE FUNCTION keep_vector_codes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- An upsert runs the triggers of both events, one of them without rows.
    IF EXISTS (SELECT FROM written) THEN
        EXECUTE format('INSERT INTO %I (number, id, user_id, namespace, bits) '
            'SELECT m.number, m.id, m.user_id, m.namespace, vector_code(w.embedding) '
            'FROM written w JOIN memories m ON m.number = w.number WHERE m.user_id IS NOT NULL FOR SHARE OF m '
            'ON CONFLICT (number) DO UPDATE SET user_id = excluded.user_id, namespace = excluded.namespace, '
            'bits = excluded.bits', TG_TABLE_NAME || '_codes');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION move_vector_codes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    vectors text;
BEGIN
    FOR vectors IN SELECT table_name FROM vector_spaces ORDER BY number LOOP
        IF to_regclass(format('%I', vectors || '_codes')) IS NOT NULL THEN
            EXECUTE format('DELETE FROM %I WHERE number = $1', vectors || '_codes') USING NEW.number;
            EXECUTE format('INSERT INTO %I (number, id, user_id, namespace, bits) '
                'SELECT number, $2, $3, $4, vector_code(embedding) FROM %I WHERE number = $1 AND $3 IS NOT NULL',
                vectors || '_codes', vectors) USING NEW.number, NEW.id, NEW.user_id, NEW.namespace;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE TRIGGER memories_owner_changed AFTER UPDATE OF user_id, namespace ON memories FOR EACH ROW
    WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id OR OLD.namespace IS DISTINCT FROM NEW.namespace)
    EXECUTE FUNCTION move_vector_codes();
