-- Many agents at once are many sessions at once, each on a page of its own in their index. So an interception gets into
-- it when it is settled, like those of people and kinds.
-- Gateways of the version before have to be stopped: what they look for isn't in this index yet.
DROP INDEX interceptions_by_session;
CREATE INDEX interceptions_by_session ON interceptions (session_id, started_at) WHERE fresh IS NULL;
