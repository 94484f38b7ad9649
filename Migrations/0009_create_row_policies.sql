-- Which rows a transaction may reach, as a second wall behind the server's own narrowing. The policies have no effect
-- until row-level security is enabled on their tables, which a setting of the server does.
--
-- A transaction says what it may reach in agent_memory.namespaces and agent_memory.users, as the server's SET LOCAL:
-- '*' for everything, or an array of patterns of LIKE. Without them it reaches nothing.
CREATE FUNCTION scope_is_set() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('agent_memory.namespaces', true), '') <> ''
$$;

CREATE FUNCTION scope_permits_all(field text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('agent_memory.' || field, true) = '*', false)
$$;

CREATE FUNCTION scope_permits(field text) RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(nullif(current_setting('agent_memory.' || field, true), ''), '*')::text[]
$$;

-- Subqueries without a reference to the row are computed once a statement.
CREATE POLICY agent_memory_scope ON memories USING (
    ((SELECT scope_permits_all('namespaces'))
        OR namespace COLLATE "C" LIKE ANY ((SELECT scope_permits('namespaces'))::text[]))
    AND ((SELECT scope_permits_all('users')) OR user_id COLLATE "C" LIKE ANY ((SELECT scope_permits('users'))::text[]))
);

CREATE POLICY agent_memory_scope ON sessions USING (
    ((SELECT scope_permits_all('namespaces'))
        OR namespace COLLATE "C" LIKE ANY ((SELECT scope_permits('namespaces'))::text[]))
    AND ((SELECT scope_permits_all('users')) OR user_id COLLATE "C" LIKE ANY ((SELECT scope_permits('users'))::text[]))
);

-- What is inserted together with its session cannot see it yet, so only what exists is compared. EXISTS instead of the
-- look-up by number could become a hash of all sessions.
CREATE POLICY agent_memory_scope ON session_messages USING (
    (SELECT scope_permits_all('namespaces') AND scope_permits_all('users'))
    OR coalesce((SELECT true FROM sessions s WHERE s.number = session_messages.session_number), false)
) WITH CHECK ((SELECT scope_is_set()));

CREATE POLICY agent_memory_scope ON session_memories USING (
    (SELECT scope_permits_all('namespaces') AND scope_permits_all('users'))
    OR coalesce((SELECT true FROM sessions s WHERE s.number = session_memories.session_number), false)
) WITH CHECK ((SELECT scope_is_set()));

CREATE POLICY agent_memory_scope ON session_revisions USING (
    (SELECT scope_permits_all('namespaces') AND scope_permits_all('users'))
    OR coalesce((SELECT true FROM sessions s WHERE s.number = session_revisions.session_number), false)
) WITH CHECK ((SELECT scope_is_set()));

-- A vector has no owner and no text: it means something only through its record. A vector is written in the statement
-- that writes its record, which that statement cannot see yet.
CREATE POLICY agent_memory_scope ON memory_embeddings USING ((SELECT scope_is_set()));
CREATE POLICY agent_memory_scope ON memory_tokens USING ((SELECT scope_is_set()));

-- Requests add jobs; only the server's own workers read them.
CREATE POLICY agent_memory_scope ON jobs USING (
    (SELECT scope_permits_all('namespaces') AND scope_permits_all('users'))
) WITH CHECK ((SELECT scope_is_set()));
