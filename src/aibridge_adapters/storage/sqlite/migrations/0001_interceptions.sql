-- The audit trail. Times are integer microseconds since the Unix epoch, UTC. Metadata is JSON text. Empty text means
-- "none was seen"; NULL is used only where a filter or a join tells the two apart.

CREATE TABLE interceptions (
    id TEXT NOT NULL PRIMARY KEY,
    initiator_id TEXT NOT NULL,
    -- Who it was at that time; people may be renamed or removed, the trail stays.
    initiator_username TEXT NOT NULL,
    initiator_name TEXT NOT NULL,
    initiator_role TEXT NOT NULL,
    api_key_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    model TEXT NOT NULL,
    client TEXT NOT NULL,
    client_session_id TEXT,
    -- The client's session id, else the thread's root, else the interception's own id.
    session_id TEXT NOT NULL,
    correlating_tool_call_id TEXT,
    thread_parent_id TEXT,
    thread_root_id TEXT,
    user_agent TEXT NOT NULL,
    credential_kind TEXT NOT NULL,
    credential_hint TEXT NOT NULL,
    streaming INTEGER NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    -- The gateway process that began it; see gateway_processes.
    owner TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'in_flight'
        CHECK (status IN ('in_flight', 'completed', 'failed', 'cancelled', 'interrupted')),
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    error_type TEXT NOT NULL DEFAULT '',
    error_message TEXT NOT NULL DEFAULT ''
);

-- Every list is ordered by started_at descending, id descending: one index for each filter holds that order, so that a
-- page costs the same whatever the size of the table.
CREATE INDEX interceptions_by_start ON interceptions (started_at, id);
CREATE INDEX interceptions_by_initiator ON interceptions (initiator_id, started_at, id);
CREATE INDEX interceptions_by_provider ON interceptions (provider, started_at, id);
CREATE INDEX interceptions_by_provider_name ON interceptions (provider_name, started_at, id);
CREATE INDEX interceptions_by_model ON interceptions (model, started_at, id);
CREATE INDEX interceptions_by_client ON interceptions (client, started_at, id);
CREATE INDEX interceptions_by_status ON interceptions (status, started_at, id);
CREATE INDEX interceptions_by_session ON interceptions (session_id, started_at, id);

-- What was read off the answers. Keyed by interception first, so that the records of one interception lie together.
CREATE TABLE user_prompts (
    interception_id TEXT NOT NULL REFERENCES interceptions (id),
    id TEXT NOT NULL,
    provider_response_id TEXT NOT NULL,
    prompt TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;

CREATE TABLE token_usages (
    interception_id TEXT NOT NULL REFERENCES interceptions (id),
    id TEXT NOT NULL,
    provider_response_id TEXT NOT NULL,
    provider_model TEXT NOT NULL,
    -- Without cached ones.
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_input_tokens INTEGER NOT NULL,
    cache_write_input_tokens INTEGER NOT NULL,
    -- Further kinds of tokens by name, as JSON; not part of the four above.
    extra TEXT NOT NULL DEFAULT '{}',
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;

CREATE TABLE tool_usages (
    interception_id TEXT NOT NULL REFERENCES interceptions (id),
    id TEXT NOT NULL,
    provider_response_id TEXT NOT NULL,
    provider_tool_call_id TEXT NOT NULL,
    provider_item_id TEXT NOT NULL,
    server_url TEXT NOT NULL,
    tool TEXT NOT NULL,
    -- Source text of the arguments; not always complete JSON.
    input TEXT NOT NULL,
    injected INTEGER NOT NULL,
    invocation_error TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;

-- Links a request that carries a tool's result to the interception whose model made the call; the newest call counts.
CREATE INDEX tool_usages_by_call ON tool_usages (provider_tool_call_id, created_at, id)
    WHERE provider_tool_call_id <> '';

CREATE TABLE model_thoughts (
    interception_id TEXT NOT NULL REFERENCES interceptions (id),
    id TEXT NOT NULL,
    provider_response_id TEXT NOT NULL,
    content TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    PRIMARY KEY (interception_id, id)
) WITHOUT ROWID;

-- Living gateway processes; what is in flight in a process without a fresh heartbeat was interrupted.
CREATE TABLE gateway_processes (
    owner TEXT NOT NULL PRIMARY KEY,
    heartbeat_at INTEGER NOT NULL
) WITHOUT ROWID;

-- How many interceptions have ended, by the UTC day of their start, so that exact counts never walk the trail. What is
-- in flight is not in here: it is little, and counted where it stands. The triggers below keep both tables right when
-- an interception ends or is deleted, whoever does it. There is none for inserting, it would make each start dearer:
-- an import inserts in flight, then updates the status.
CREATE TABLE daily_counts (
    day INTEGER NOT NULL,
    provider TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    model TEXT NOT NULL,
    client TEXT NOT NULL,
    status TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (day, provider, provider_name, model, client, status)
) WITHOUT ROWID;

-- The same for each initiator: a table of its own, since with many people it is much longer.
CREATE TABLE initiator_daily_counts (
    initiator_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    provider TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    model TEXT NOT NULL,
    client TEXT NOT NULL,
    status TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (initiator_id, day, provider, provider_name, model, client, status)
) WITHOUT ROWID;

CREATE TRIGGER interceptions_ended AFTER UPDATE OF status ON interceptions
WHEN old.status = 'in_flight' AND new.status <> 'in_flight'
BEGIN
    INSERT INTO daily_counts (day, provider, provider_name, model, client, status, n)
    VALUES (new.started_at / 86400000000, new.provider, new.provider_name, new.model, new.client, new.status, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO initiator_daily_counts (initiator_id, day, provider, provider_name, model, client, status, n)
    VALUES (new.initiator_id, new.started_at / 86400000000, new.provider, new.provider_name, new.model, new.client,
            new.status, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;

-- A trigger and not a cascade: cascades need a setting that the sqlite3 shell leaves off.
CREATE TRIGGER interceptions_children_removed BEFORE DELETE ON interceptions
BEGIN
    DELETE FROM user_prompts WHERE interception_id = old.id;
    DELETE FROM token_usages WHERE interception_id = old.id;
    DELETE FROM tool_usages WHERE interception_id = old.id;
    DELETE FROM model_thoughts WHERE interception_id = old.id;
END;

CREATE TRIGGER interceptions_removed AFTER DELETE ON interceptions
WHEN old.status <> 'in_flight'
BEGIN
    UPDATE daily_counts SET n = n - 1
    WHERE day = old.started_at / 86400000000 AND provider = old.provider AND provider_name = old.provider_name
        AND model = old.model AND client = old.client AND status = old.status;
    DELETE FROM daily_counts
    WHERE day = old.started_at / 86400000000 AND provider = old.provider AND provider_name = old.provider_name
        AND model = old.model AND client = old.client AND status = old.status AND n = 0;
    UPDATE initiator_daily_counts SET n = n - 1
    WHERE initiator_id = old.initiator_id AND day = old.started_at / 86400000000 AND provider = old.provider
        AND provider_name = old.provider_name AND model = old.model AND client = old.client AND status = old.status;
    DELETE FROM initiator_daily_counts
    WHERE initiator_id = old.initiator_id AND day = old.started_at / 86400000000 AND provider = old.provider
        AND provider_name = old.provider_name AND model = old.model AND client = old.client AND status = old.status
        AND n = 0;
END;
