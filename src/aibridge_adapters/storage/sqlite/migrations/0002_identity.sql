-- Users and their gateway tokens. Times are integer microseconds since the Unix epoch, UTC.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    suspended INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE api_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- SHA-256 of the token's text; the text itself is kept nowhere.
    digest BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    UNIQUE (user_id, name)
) WITHOUT ROWID;

CREATE TRIGGER users_tokens_removed BEFORE DELETE ON users
BEGIN
    DELETE FROM api_tokens WHERE user_id = old.id;
END;
