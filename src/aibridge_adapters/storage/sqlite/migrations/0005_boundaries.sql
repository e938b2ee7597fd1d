-- Where the firewall around an agent saw its request: its session (a UUID) and the number within it. NULL without one.
ALTER TABLE interceptions ADD COLUMN agent_firewall_session_id TEXT;
ALTER TABLE interceptions ADD COLUMN agent_firewall_sequence_number INTEGER;

-- Finds the request that follows one in its firewall session.
CREATE INDEX interceptions_by_firewall ON interceptions (agent_firewall_session_id, agent_firewall_sequence_number)
    WHERE agent_firewall_session_id IS NOT NULL;

-- What the firewall let through or stopped, from its audit logs. No foreign key: calls may come before the interceptions
-- between which they were made, and requests without a firewall have none.
CREATE TABLE network_calls (
    agent_firewall_session_id TEXT NOT NULL,
    sequence_number INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    matched_rule TEXT NOT NULL,
    process TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (agent_firewall_session_id, sequence_number)
) WITHOUT ROWID;

-- For removing the oldest.
CREATE INDEX network_calls_by_time ON network_calls (made_at);
