-- Limits on requests that all replicas on this database share: one row for each time that a replica let requests of a
-- group in, or told how many of them run. Rows are added and never changed: a row that is changed a hundred times a
-- second gets slow when somebody, a backup perhaps, keeps an old snapshot open; what is read here is always the newest
-- end of an index. `tidy` removes what nobody reads any more.
-- UNLOGGED: nothing waits for the disk. A crash empties the table; then rates begin anew, and replicas tell within
-- seconds what runs.
CREATE UNLOGGED TABLE shared_admissions (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    -- '*' is everybody together; else a hash of the user's id.
    members text COLLATE "C" NOT NULL,
    -- The replica; see gateway_processes.
    owner text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    -- How many were let in now.
    granted integer NOT NULL,
    -- How many of them run in this replica from now on.
    running integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

CREATE INDEX shared_admissions_by_time ON shared_admissions (members, at);
CREATE INDEX shared_admissions_by_owner ON shared_admissions (members, owner, seq);

-- Lets in as many requests as may: `asking` has a group of the user for each, in the order in which they came; `told`
-- and `running` say how many requests of which groups run in this replica. `limits` are, in this order: of one user at
-- once and per second, of all together at once and per second; 0 is none. A verdict is 0 for a request that is let in,
-- else the place in `limits` of what refuses it; `waits` are seconds until another one would be let in.
-- Times are read under the lock, so that they are in the order of the rows. A clock that was set back by more than a
-- second must not close the gates for as long: rows of its future don't count.
CREATE FUNCTION admit_shared(
    me text, asking text[], told text[], running integer[], limits integer[], lease interval, patience integer,
    OUT replicas bigint, OUT verdicts integer[], OUT waits double precision[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    now_ timestamptz;
BEGIN
    PERFORM set_config('lock_timeout', patience::text, true),
        set_config('idle_in_transaction_session_timeout', patience::text, true),
        set_config('synchronous_commit', 'off', true),
        -- One plan, made once in a session: making it takes longer than following it, and it may not depend on how
        -- small the table happened to be.
        set_config('plan_cache_mode', 'force_generic_plan', true),
        set_config('enable_seqscan', 'off', true);
    PERFORM pg_advisory_xact_lock(4271859316225502);
    now_ := clock_timestamp();
    WITH living AS MATERIALIZED (
        SELECT owner FROM gateway_processes WHERE owner <> me AND heartbeat_at > now_ - lease
    ), standing AS MATERIALIZED (
        SELECT known.members, known.own, known.places, known.own + elsewhere.running AS running, lately.used,
            coalesce(extract(epoch FROM lately.oldest + interval '1 s' - now_), 1)::double precision AS wait
        FROM (
            SELECT *, limits[CASE members WHEN '*' THEN 3 ELSE 1 END] AS places,
                limits[CASE members WHEN '*' THEN 4 ELSE 2 END] AS rate
            FROM unnest(told, running) AS one (members, own)
        ) AS known
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(newest.running), 0) AS running FROM living CROSS JOIN LATERAL (
                SELECT shared_admissions.running FROM shared_admissions
                WHERE shared_admissions.members = known.members AND shared_admissions.owner = living.owner
                ORDER BY seq DESC LIMIT 1
            ) AS newest WHERE places > 0
        ) AS elsewhere
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(granted), 0) AS used, min(at) FILTER (WHERE granted > 0) AS oldest
            FROM shared_admissions WHERE rate > 0 AND shared_admissions.members = known.members
                AND at > now_ - interval '1 s' AND at <= now_ + interval '1 s'
        ) AS lately
    ), everybody AS (
        SELECT running, used, wait FROM standing WHERE members = '*'
    ), asked AS (
        SELECT members, place, row_number() OVER (PARTITION BY members ORDER BY place) AS nth
        FROM unnest(asking) WITH ORDINALITY AS one (members, place)
    ), personal AS (
        SELECT asked.members, place, (limits[1] = 0 OR standing.running + nth <= limits[1])
            AND (limits[2] = 0 OR used + nth <= limits[2]) AS let_in
        FROM asked LEFT JOIN standing USING (members)
    ), judged AS MATERIALIZED (
        SELECT members, place, let_in AND (limits[3] = 0 OR running + nth <= limits[3])
            AND (limits[4] = 0 OR used + nth <= limits[4]) AS let_in
        FROM (SELECT *, count(*) FILTER (WHERE let_in) OVER (ORDER BY place) AS nth FROM personal) AS counted
        LEFT JOIN everybody ON true
    ), granted AS MATERIALIZED (
        SELECT members, count(*) FILTER (WHERE let_in) AS granted FROM judged GROUP BY members
        UNION ALL SELECT '*', count(*) FILTER (WHERE let_in) FROM judged
    ), explained AS (
        -- Of those who are refused, none could be let in after the others; so it is no matter that all are counted now.
        SELECT place, everybody.wait AS everybody_waits, standing.wait AS user_waits, CASE
            WHEN let_in THEN 0
            WHEN limits[1] > 0 AND standing.running + granted >= limits[1] THEN 1
            WHEN limits[2] > 0 AND standing.used + granted >= limits[2] THEN 2
            WHEN limits[3] > 0
                AND everybody.running + (SELECT granted FROM granted WHERE members = '*') >= limits[3] THEN 3
            ELSE 4 END AS verdict
        FROM judged JOIN granted USING (members) LEFT JOIN standing USING (members) LEFT JOIN everybody ON true
    ), written AS (
        INSERT INTO shared_admissions (members, owner, at, granted, running)
        SELECT members, me, now_, coalesce(granted, 0), own + coalesce(granted, 0)
        FROM standing LEFT JOIN granted USING (members)
        WHERE granted > 0 OR places > 0
    )
    SELECT (SELECT count(*) + 1 FROM living), array_agg(verdict ORDER BY place),
        array_agg(CASE verdict WHEN 2 THEN user_waits WHEN 4 THEN everybody_waits ELSE 0 END ORDER BY place)
    INTO replicas, verdicts, waits FROM explained;
END $$;
