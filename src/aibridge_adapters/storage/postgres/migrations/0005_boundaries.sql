-- Where the firewall around an agent saw its request: its session and the number within it. NULL without one.
ALTER TABLE interceptions
    ADD COLUMN agent_firewall_session_id uuid,
    ADD COLUMN agent_firewall_sequence_number bigint;

-- Finds the request that follows one in its firewall session.
CREATE INDEX interceptions_by_firewall ON interceptions (agent_firewall_session_id, agent_firewall_sequence_number)
    WHERE agent_firewall_session_id IS NOT NULL;

-- What the firewall let through or stopped, from its audit logs. No foreign key: calls may come before the interceptions
-- between which they were made, and requests without a firewall have none.
CREATE TABLE network_calls (
    agent_firewall_session_id uuid NOT NULL,
    sequence_number bigint NOT NULL,
    made_at timestamptz NOT NULL,
    allowed boolean NOT NULL,
    method text NOT NULL,
    url text NOT NULL,
    matched_rule text NOT NULL,
    process text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (agent_firewall_session_id, sequence_number)
);

-- For removing the oldest.
CREATE INDEX network_calls_by_time ON network_calls (made_at);
