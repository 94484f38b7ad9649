-- The id of the record that took the place of a removed one, such as one that it was united with.
ALTER TABLE memory_events ADD COLUMN successor text COLLATE "C";

-- Who writes, and whether there is a history, is in the setting agent_memory.origin of the transaction, as JSON:
-- history, operation, caller, reason, kind (of all events), update_kind (of updates), successors (of removed ids).
CREATE OR REPLACE FUNCTION add_memory_events() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    origin json := nullif(current_setting('agent_memory.origin', true), '')::json;
    write_operation text := coalesce(origin->>'operation', 'transaction ' || pg_current_xact_id());
    derived text[] := ARRAY['number', 'keyword_text', 'keyword_count', 'keyword_analysis', 'metadata_terms'];
    -- Clients' JSON may have escapes that this server cannot decode, so it is never read here, and kept as text.
    documents text[] := ARRAY['metadata', 'extraction_strategy_config'];
    blank json := '{"metadata": null, "extraction_strategy_config": null}';
BEGIN
    IF origin->>'history' = 'off' THEN
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM earlier) THEN RETURN NULL; END IF;
    ELSIF NOT EXISTS (SELECT FROM written) THEN
        RETURN NULL;
    END IF;
    -- Readers show no event after the number that this transaction holds, until it ends: numbers are given before
    -- they are committed, and a reader who follows them must not miss one.
    IF coalesce(current_setting('agent_memory.holds_events', true), '') = '' THEN
        PERFORM pg_advisory_xact_lock_shared(
            hashtext('agent-memory events ' || current_schema()),
            (last_memory_event() % 2147483648)::int);
        PERFORM set_config('agent_memory.holds_events', 'true', true);
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO memory_events (happened_at, kind, id, namespace, user_id, previous_namespace, previous_user_id,
            operation, caller, reason)
        SELECT clock_timestamp(), coalesce(origin->>'kind', 'added'), w.id, w.namespace, w.user_id, w.namespace,
            w.user_id, write_operation, origin->>'caller', origin->>'reason' FROM written w ORDER BY w.number;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO memory_events (happened_at, kind, id, namespace, user_id, previous_namespace, previous_user_id,
            operation, caller, reason, successor, before)
        SELECT clock_timestamp(), coalesce(origin->>'kind', 'deleted'), e.id, e.namespace, e.user_id, e.namespace,
            e.user_id, write_operation, origin->>'caller', origin->>'reason', origin->'successors'->>e.id,
            (SELECT json_object_agg(f.key, f.value) FROM (
                SELECT o.key, o.value FROM json_each(to_json(json_populate_record(e, blank))) o
                WHERE NOT o.key = ANY (derived || documents)
                UNION ALL VALUES ('metadata', to_json(e.metadata::text)),
                    ('extraction_strategy_config', to_json(e.extraction_strategy_config::text))
            ) f)
        FROM earlier e ORDER BY e.number;
    ELSE
        INSERT INTO memory_events (happened_at, kind, id, namespace, user_id, previous_namespace, previous_user_id,
            operation, caller, reason, before)
        SELECT clock_timestamp(), coalesce(origin->>'kind', origin->>'update_kind', 'changed'), w.id, w.namespace,
            w.user_id, e.namespace, e.user_id, write_operation, origin->>'caller', origin->>'reason', c.before
        FROM earlier e JOIN written w ON w.number = e.number
        -- Statistics of accesses alone make no event.
        CROSS JOIN LATERAL (
            SELECT json_object_agg(f.key, f.value) AS before,
                bool_or(f.key NOT IN ('last_accessed', 'access_count')) AS is_event
            FROM (
                SELECT o.key, o.value, n.value AS new_value FROM json_each(to_json(json_populate_record(e, blank))) o
                JOIN json_each(to_json(json_populate_record(w, blank))) n ON n.key = o.key
                WHERE NOT o.key = ANY (derived || documents)
                UNION ALL VALUES ('metadata', to_json(e.metadata::text), to_json(w.metadata::text)),
                    ('extraction_strategy_config', to_json(e.extraction_strategy_config::text),
                        to_json(w.extraction_strategy_config::text))
            ) f
            WHERE f.value::text <> f.new_value::text
        ) c
        WHERE c.is_event ORDER BY w.number;
    END IF;
    RETURN NULL;
END
$$;
