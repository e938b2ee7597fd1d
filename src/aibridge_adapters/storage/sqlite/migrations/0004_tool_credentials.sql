-- Credentials of users for MCP servers. Times are integer microseconds since the Unix epoch, UTC.

CREATE TABLE tool_credentials (
    user_id TEXT NOT NULL REFERENCES users (id),
    server TEXT NOT NULL,
    id TEXT NOT NULL,
    -- Encrypted with a key that isn't in the database, and bound to this user and this server.
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    renewable INTEGER NOT NULL,
    claimed_until INTEGER,
    revision INTEGER NOT NULL,
    PRIMARY KEY (user_id, server)
) WITHOUT ROWID;

CREATE TRIGGER users_tool_credentials_removed BEFORE DELETE ON users
BEGIN
    DELETE FROM tool_credentials WHERE user_id = old.id;
END;
