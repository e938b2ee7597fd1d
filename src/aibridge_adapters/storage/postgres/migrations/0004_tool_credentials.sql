-- Credentials of users for MCP servers.

CREATE TABLE tool_credentials (
    user_id text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    server text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- Encrypted with a key that isn't in the database, and bound to this user and this server.
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    renewable boolean NOT NULL,
    claimed_until timestamptz,
    revision integer NOT NULL,
    PRIMARY KEY (user_id, server)
);
