-- works from: 6
-- Counts of nothing are removed. Who used what on which day must not be told by counts that add up to zero, long after
-- the interceptions themselves are gone; and the tables of counts don't grow for ever.

-- Removes what adds up to zero among the counts that these changes touched. A shard that somebody else is changing is
-- left out, so nothing is waited for; the others add up to zero without it, or stay. A shard is locked before it is
-- added up, so what is removed is what was looked at.
CREATE FUNCTION forget_empty_counts(changes count_change[]) RETURNS void LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    WITH held AS MATERIALIZED (
        SELECT day, labels, shard, n FROM daily_counts
        WHERE (day, labels) IN (
            SELECT day, digest_of(provider, provider_name, model, client, status) FROM unnest(changes)
        ) FOR UPDATE SKIP LOCKED
    ), empty AS (
        SELECT day, labels FROM held GROUP BY day, labels HAVING sum(n) = 0
    )
    DELETE FROM daily_counts AS counts USING held JOIN empty USING (day, labels)
    WHERE (counts.day, counts.labels, counts.shard) = (held.day, held.labels, held.shard);

    WITH held AS MATERIALIZED (
        SELECT initiator_id, day, labels, shard, n FROM initiator_daily_counts
        WHERE (initiator_id, day, labels) IN (
            SELECT initiator_id, day, digest_of(provider, provider_name, model, client, status) FROM unnest(changes)
        ) FOR UPDATE SKIP LOCKED
    ), empty AS (
        SELECT initiator_id, day, labels FROM held GROUP BY initiator_id, day, labels HAVING sum(n) = 0
    )
    DELETE FROM initiator_daily_counts AS counts USING held JOIN empty USING (initiator_id, day, labels)
    WHERE (counts.initiator_id, counts.day, counts.labels, counts.shard)
        = (held.initiator_id, held.day, held.labels, held.shard);
END
$$;

-- As before, and what a subtraction leaves of counts is looked at: a deletion, or a repair by hand.
CREATE OR REPLACE FUNCTION count_interceptions() RETURNS trigger LANGUAGE plpgsql
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
        IF 0 > ANY (SELECT n FROM unnest(changes)) THEN
            PERFORM forget_empty_counts(changes);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- What earlier deletions left.
SELECT forget_empty_counts(array_agg(
    ROW(day, initiator_id, provider, provider_name, model, client, status, 0)::count_change
))
FROM initiator_daily_counts
WHERE (initiator_id, day, labels) IN (
    SELECT initiator_id, day, labels FROM initiator_daily_counts GROUP BY 1, 2, 3 HAVING sum(n) = 0
);
