-- Ids of tool calls are random: each call costs a commit a page of their index, which was half of all that it wrote. So
-- calls get into it in bulk too, in the order of their ids, some thousands after they were made: what then lies on one
-- page is written once. Until then the writer knows them by heart. (recent_calls.py)
-- Gateways of the version before have to be stopped: what they look for isn't in the index yet.

DROP TRIGGER interceptions_children_removed;
CREATE TABLE counted_tool_usages (
    -- Rises with each row, and no number comes again: it tells which calls are in the index.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    interception_id TEXT NOT NULL REFERENCES interceptions (id),
    id TEXT NOT NULL,
    -- In front of what may be long: SQLite reads a row from its beginning.
    created_at INTEGER NOT NULL,
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
    UNIQUE (interception_id, id)
);
INSERT INTO counted_tool_usages (
    interception_id, id, provider_response_id, provider_tool_call_id, provider_item_id, server_url, tool, input,
    injected, invocation_error, metadata, created_at
)
SELECT interception_id, id, provider_response_id, provider_tool_call_id, provider_item_id, server_url, tool, input,
    injected, invocation_error, metadata, created_at
FROM tool_usages ORDER BY rowid;
DROP TABLE tool_usages;
ALTER TABLE counted_tool_usages RENAME TO tool_usages;

-- The index: rows of tool_usages by the provider's id of the call. Some providers give the same ids again and again, so
-- the newest has to be found without looking at all of them.
CREATE TABLE tool_calls (
    provider_tool_call_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    usage INTEGER NOT NULL,
    PRIMARY KEY (provider_tool_call_id, created_at, usage)
) WITHOUT ROWID;
INSERT INTO tool_calls
SELECT provider_tool_call_id, created_at, number FROM tool_usages WHERE provider_tool_call_id <> ''
ORDER BY provider_tool_call_id, created_at, number;

-- One row: how far the index goes. The newest time in it, since the newest of calls with one id is the one that counts.
CREATE TABLE tool_calls_indexed (
    number INTEGER NOT NULL,
    newest_at INTEGER NOT NULL
);
INSERT INTO tool_calls_indexed SELECT coalesce(max(number), 0), coalesce(max(created_at), 0) FROM tool_usages;

CREATE TRIGGER interceptions_children_removed BEFORE DELETE ON interceptions
BEGIN
    DELETE FROM user_prompts WHERE interception_id = old.id;
    DELETE FROM token_usages WHERE interception_id = old.id;
    DELETE FROM tool_calls WHERE (provider_tool_call_id, created_at, usage) IN (
        SELECT provider_tool_call_id, created_at, number FROM tool_usages WHERE interception_id = old.id
    );
    DELETE FROM tool_usages WHERE interception_id = old.id;
    DELETE FROM model_thoughts WHERE interception_id = old.id;
END;
