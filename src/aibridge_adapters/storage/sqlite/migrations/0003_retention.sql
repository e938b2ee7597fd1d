-- Which process purges, and until when (microseconds since the Unix epoch); at most one row. A process that died while
-- it purged doesn't hold it for ever.
CREATE TABLE purge_claim (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    owner TEXT NOT NULL,
    until INTEGER NOT NULL
);
