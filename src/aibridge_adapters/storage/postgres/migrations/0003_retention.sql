-- Which process purges, and until when, by the database's clock; at most one row. A process that died while it purged
-- doesn't hold it for ever.
CREATE TABLE purge_claim (
    single boolean PRIMARY KEY CHECK (single),
    owner text NOT NULL,
    until timestamptz NOT NULL
);
