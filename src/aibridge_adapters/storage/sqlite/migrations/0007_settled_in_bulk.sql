-- Keys that are scattered, such as people, cost a commit a page each. So the indexes and counts by such keys don't take an
-- interception when it begins or ends, but hundreds together, some time after they have ended: what then lies on one
-- page is written once. Until then an interception is fresh, and found by walking what is.
-- Gateways of the version before have to be stopped: what they look for isn't in their indexes yet.

-- 1 until the interception is in the indexes that are limited to NULL, and counted. What is in flight is fresh.
ALTER TABLE interceptions ADD COLUMN fresh INTEGER;
UPDATE interceptions SET fresh = 1 WHERE status = 'in_flight';
DROP INDEX interceptions_in_flight;
CREATE INDEX interceptions_fresh ON interceptions (started_at, id) WHERE fresh IS NOT NULL;

-- A row that is inserted in flight by a program that doesn't know this becomes fresh too.
CREATE TRIGGER interceptions_begun AFTER INSERT ON interceptions
WHEN new.fresh IS NULL AND new.status = 'in_flight'
BEGIN
    UPDATE interceptions SET fresh = 1 WHERE id = new.id;
END;

DROP INDEX interceptions_by_initiator;
DROP INDEX interceptions_by_kind;
CREATE INDEX interceptions_by_initiator ON interceptions (initiator_id, started_at) WHERE fresh IS NULL;
CREATE INDEX interceptions_by_kind ON interceptions (model, client, provider_name, provider, started_at, id)
    WHERE fresh IS NULL;

-- The tables of counts know what is settled.
DROP TRIGGER interceptions_ended;
CREATE TRIGGER interceptions_settled AFTER UPDATE OF fresh ON interceptions
WHEN old.fresh IS NOT NULL AND new.fresh IS NULL
BEGIN
    INSERT INTO daily_counts (day, provider, provider_name, model, client, status, n)
    VALUES (new.started_at / 86400000000, new.provider, new.provider_name, new.model, new.client, new.status, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO initiator_daily_counts (initiator_id, day, provider, provider_name, model, client, status, n)
    VALUES (new.initiator_id, new.started_at / 86400000000, new.provider, new.provider_name, new.model, new.client,
            new.status, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;

DROP TRIGGER interceptions_removed;
CREATE TRIGGER interceptions_removed AFTER DELETE ON interceptions
WHEN old.fresh IS NULL
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
