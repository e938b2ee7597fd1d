-- What a commit costs is mostly its pages: each table and each index has its own, and small rows share them. This makes
-- both fewer and smaller; lists, counts and threads are found as before. Gateways of the version before have to be
-- stopped: their queries name indexes that are gone. A million interceptions took 44 seconds on a busy machine, 25 of
-- them processor time; meanwhile the log grows by as much as their tool calls and the new indexes are large.

-- Everything with the same four labels, in the order of lists. There are some dozens of such kinds, and daily_counts
-- knows them: a list by any of the labels is merged from the kinds that have it. The label that tells most comes first,
-- so that comparing two entries mostly ends there.
DROP INDEX interceptions_by_provider;
DROP INDEX interceptions_by_provider_name;
DROP INDEX interceptions_by_model;
DROP INDEX interceptions_by_client;
CREATE INDEX interceptions_by_kind ON interceptions (model, client, provider_name, provider, started_at, id);

-- What runs is little, and so is what didn't go well. Nearly everything else is completed: a list of that walks
-- interceptions_by_start.
DROP INDEX interceptions_by_status;
CREATE INDEX interceptions_in_flight ON interceptions (started_at, id) WHERE status = 'in_flight';
CREATE INDEX interceptions_by_failure ON interceptions (status, started_at, id)
    WHERE status NOT IN ('in_flight', 'completed');

-- Without the id, which is half of an entry: few of one person or one session begin in the same microsecond, and SQLite
-- sorts those.
DROP INDEX interceptions_by_initiator;
DROP INDEX interceptions_by_session;
CREATE INDEX interceptions_by_initiator ON interceptions (initiator_id, started_at);
CREATE INDEX interceptions_by_session ON interceptions (session_id, started_at);

-- Tool call ids are random, so each lies on another page of their index: the smaller its entries, the fewer. Those of a
-- table without row numbers end with its whole key, here two ids of 36 letters. So this one has numbers.
DROP TRIGGER interceptions_children_removed;
CREATE TABLE numbered_tool_usages (
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
);
INSERT INTO numbered_tool_usages
SELECT interception_id, id, provider_response_id, provider_tool_call_id, provider_item_id, server_url, tool, input,
    injected, invocation_error, metadata, created_at
FROM tool_usages;
DROP TABLE tool_usages;
ALTER TABLE numbered_tool_usages RENAME TO tool_usages;
CREATE INDEX tool_usages_by_call ON tool_usages (provider_tool_call_id, created_at) WHERE provider_tool_call_id <> '';

CREATE TRIGGER interceptions_children_removed BEFORE DELETE ON interceptions
BEGIN
    DELETE FROM user_prompts WHERE interception_id = old.id;
    DELETE FROM token_usages WHERE interception_id = old.id;
    DELETE FROM tool_usages WHERE interception_id = old.id;
    DELETE FROM model_thoughts WHERE interception_id = old.id;
END;

-- The day comes first now, so that the counts of today lie together and not beside those of each person's other days.
CREATE TABLE counts_before AS SELECT * FROM initiator_daily_counts;
DROP TABLE initiator_daily_counts;
CREATE TABLE initiator_daily_counts (
    day INTEGER NOT NULL,
    initiator_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    provider_name TEXT NOT NULL,
    model TEXT NOT NULL,
    client TEXT NOT NULL,
    status TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (day, initiator_id, provider, provider_name, model, client, status)
) WITHOUT ROWID;
INSERT INTO initiator_daily_counts
SELECT day, initiator_id, provider, provider_name, model, client, status, n
FROM counts_before ORDER BY day, initiator_id;
DROP TABLE counts_before;
