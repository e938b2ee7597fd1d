-- The audit trail. Empty text means "none was seen"; NULL is used only where a filter or a join tells the two apart.
-- Text that is searched or sorted has the collation "C": order of code points, the same on every server, and indexes
-- that serve prefixes and survive an upgrade of the operating system's locales.

CREATE TABLE interceptions (
    id uuid PRIMARY KEY,
    initiator_id text COLLATE "C" NOT NULL,
    -- Who it was at that time; people may be renamed or removed, the trail stays.
    initiator_username text COLLATE "C" NOT NULL,
    initiator_name text NOT NULL,
    initiator_role text NOT NULL,
    api_key_id text NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_name text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    -- Its beginning, which an index can hold; see below.
    model_key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (left(model, 200)) STORED,
    client text COLLATE "C" NOT NULL,
    client_session_id text,
    -- The client's session id, else the thread's root, else the interception's own id.
    session_id text COLLATE "C" NOT NULL,
    correlating_tool_call_id text,
    thread_parent_id uuid,
    thread_root_id uuid,
    user_agent text NOT NULL,
    credential_kind text NOT NULL,
    credential_hint text NOT NULL,
    streaming boolean NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    -- The gateway process that began it; see gateway_processes.
    owner text NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'in_flight'
        CHECK (status IN ('in_flight', 'completed', 'failed', 'cancelled', 'interrupted')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    error_type text NOT NULL DEFAULT '',
    error_message text NOT NULL DEFAULT ''
);

-- Every list is ordered by started_at descending, id descending: one index for each filter holds that order, so that a
-- page costs the same whatever the size of the table, and skipping rows doesn't touch them. Clients choose model and
-- session, and may choose them very long; an index row holds 2,704 bytes at most, so their indexes hold beginnings. A
-- value shorter than 200 characters equals its beginning, and a query needs no second condition.
CREATE INDEX interceptions_by_start ON interceptions (started_at, id);
CREATE INDEX interceptions_by_initiator ON interceptions (initiator_id, started_at, id);
CREATE INDEX interceptions_by_provider ON interceptions (provider, started_at, id);
CREATE INDEX interceptions_by_provider_name ON interceptions (provider_name, started_at, id);
CREATE INDEX interceptions_by_model ON interceptions (model_key, started_at, id);
CREATE INDEX interceptions_by_client ON interceptions (client, started_at, id);
CREATE INDEX interceptions_by_status ON interceptions (status, started_at, id);
CREATE INDEX interceptions_by_session ON interceptions (left(session_id, 200), started_at, id);
-- For "which user is ann?"; the newest interception decides.
CREATE INDEX interceptions_by_username ON interceptions (initiator_username, started_at, id);

-- What was read off the answers. Keyed by interception first, so that the records of one interception are found
-- together. Removing an interception removes them.
CREATE TABLE user_prompts (
    interception_id uuid NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    provider_response_id text NOT NULL,
    prompt text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (interception_id, id)
);

CREATE TABLE token_usages (
    interception_id uuid NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    provider_response_id text NOT NULL,
    provider_model text NOT NULL,
    -- Without cached ones.
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_input_tokens bigint NOT NULL,
    cache_write_input_tokens bigint NOT NULL,
    -- Further kinds of tokens by name; not part of the four above.
    extra jsonb NOT NULL DEFAULT '{}',
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (interception_id, id)
);

CREATE TABLE tool_usages (
    interception_id uuid NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    provider_response_id text NOT NULL,
    provider_tool_call_id text COLLATE "C" NOT NULL,
    provider_item_id text NOT NULL,
    server_url text NOT NULL,
    tool text NOT NULL,
    -- Source text of the arguments; not always complete JSON.
    input text NOT NULL,
    injected boolean NOT NULL,
    invocation_error text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (interception_id, id)
);

-- Links a request that carries a tool's result to the interception whose model made the call; the newest call counts.
CREATE INDEX tool_usages_by_call ON tool_usages (left(provider_tool_call_id, 200), created_at, id)
    WHERE provider_tool_call_id <> '';

CREATE TABLE model_thoughts (
    interception_id uuid NOT NULL REFERENCES interceptions (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    provider_response_id text NOT NULL,
    content text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (interception_id, id)
);

-- Living gateway processes, by the database's clock; what is in flight in a process without a fresh heartbeat was
-- interrupted.
CREATE TABLE gateway_processes (
    owner text PRIMARY KEY,
    heartbeat_at timestamptz NOT NULL
);

-- How many interceptions have ended, by the UTC day of their start, so that exact counts never walk the trail. What is
-- in flight is not in here: it is little, and counted where it stands. A count is the sum of its shards: each connection
-- adds to one of eight, so that replicas seldom wait for one another. A single shard may be negative. The triggers below
-- keep the counts right, whoever writes.

-- Tells combinations of texts apart however long they are. Declared immutable, which convert_to alone is not, since a
-- database never changes its encoding.
CREATE FUNCTION digest_of(VARIADIC labels text[]) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT sha256(convert_to(labels::text, 'UTF8')) $$;

CREATE TABLE daily_counts (
    day date NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_name text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    client text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    labels bytea NOT NULL GENERATED ALWAYS AS (digest_of(provider, provider_name, model, client, status)) STORED,
    n bigint NOT NULL,
    PRIMARY KEY (day, labels, shard)
) WITH (fillfactor = 50);

-- The same for each initiator: a table of its own, since with many people it is much longer.
CREATE TABLE initiator_daily_counts (
    initiator_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_name text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    client text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    labels bytea NOT NULL
        GENERATED ALWAYS AS (digest_of(provider, provider_name, model, client, status)) STORED,
    n bigint NOT NULL,
    PRIMARY KEY (initiator_id, day, labels, shard)
) WITH (fillfactor = 50);

-- What a change of interceptions adds to the counts.
CREATE TYPE count_change AS (
    day date, initiator_id text, provider text, provider_name text, model text, client text, status text, n bigint
);

-- In one order of rows, always, so that two that add to the same shard wait for one another and never for ever.
CREATE FUNCTION add_to_counts(changes count_change[]) RETURNS void LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
DECLARE
    my_shard smallint := pg_backend_pid() % 8;
BEGIN
    INSERT INTO daily_counts AS counts (day, provider, provider_name, model, client, status, shard, n)
    SELECT day, provider, provider_name, model, client, status, my_shard, sum(n)
    FROM unnest(changes) GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (day, labels, shard) DO UPDATE SET n = counts.n + excluded.n;
    INSERT INTO initiator_daily_counts AS counts
        (initiator_id, day, provider, provider_name, model, client, status, shard, n)
    SELECT initiator_id, day, provider, provider_name, model, client, status, my_shard, sum(n)
    FROM unnest(changes) GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (initiator_id, day, labels, shard) DO UPDATE SET n = counts.n + excluded.n;
END
$$;

CREATE FUNCTION count_interceptions() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
DECLARE
    changes count_change[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(ROW((started_at AT TIME ZONE 'UTC')::date, initiator_id, provider, provider_name, model,
            client, status, n)::count_change)
        INTO changes
        FROM (SELECT *, 1 AS n FROM new_rows UNION ALL SELECT *, -1 FROM old_rows) AS changed
        WHERE status <> 'in_flight';
    ELSIF TG_OP = 'INSERT' THEN  -- imported from elsewhere, already ended
        SELECT array_agg(ROW((started_at AT TIME ZONE 'UTC')::date, initiator_id, provider, provider_name, model,
            client, status, 1)::count_change)
        INTO changes FROM new_rows WHERE status <> 'in_flight';
    ELSE
        SELECT array_agg(ROW((started_at AT TIME ZONE 'UTC')::date, initiator_id, provider, provider_name, model,
            client, status, -1)::count_change)
        INTO changes FROM old_rows WHERE status <> 'in_flight';
    END IF;
    IF changes IS NOT NULL THEN
        PERFORM add_to_counts(changes);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER interceptions_inserted AFTER INSERT ON interceptions REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_interceptions();
CREATE TRIGGER interceptions_updated AFTER UPDATE ON interceptions
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_interceptions();
CREATE TRIGGER interceptions_removed AFTER DELETE ON interceptions REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_interceptions();
