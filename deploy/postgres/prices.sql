-- What a million tokens cost, in US dollars, for the panel "Approximate cost" and queries of your own. They are a
-- beginning, not checked against anybody's price list, without discounts, long contexts, batches or regions: put in those
-- of your contract. Run by the owner of the database; running it again changes no price that is there:
--   psql "$AIBRIDGE_DATABASE_URL" -f deploy/postgres/prices.sql
-- A schema of its own keeps it apart from the gateway's tables, whose migrations never touch it.

SET client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS dashboards;

CREATE TABLE IF NOT EXISTS dashboards.model_prices (
    -- Provider type, as in interceptions.provider.
    provider text NOT NULL,
    -- How the model's name begins; the longest beginning that fits counts.
    model text NOT NULL,
    -- Without cached tokens.
    input numeric NOT NULL,
    output numeric NOT NULL,
    cache_read numeric NOT NULL,
    cache_write numeric NOT NULL,
    PRIMARY KEY (provider, model)
);

INSERT INTO dashboards.model_prices (provider, model, input, output, cache_read, cache_write) VALUES
    ('anthropic', 'claude-opus-4-5', 5, 25, 0.5, 6.25),
    ('anthropic', 'claude-opus-4', 15, 75, 1.5, 18.75),
    ('anthropic', 'claude-sonnet-4', 3, 15, 0.3, 3.75),
    ('anthropic', 'claude-haiku-4-5', 1, 5, 0.1, 1.25),
    ('anthropic', 'claude-3-7-sonnet', 3, 15, 0.3, 3.75),
    ('anthropic', 'claude-3-5-haiku', 0.8, 4, 0.08, 1),
    ('openai', 'gpt-5', 1.25, 10, 0.125, 1.25),
    ('openai', 'gpt-5-mini', 0.25, 2, 0.025, 0.25),
    ('openai', 'gpt-5-nano', 0.05, 0.4, 0.005, 0.05),
    ('openai', 'gpt-4.1', 2, 8, 0.5, 2),
    ('openai', 'gpt-4.1-mini', 0.4, 1.6, 0.1, 0.4),
    ('openai', 'gpt-4o', 2.5, 10, 1.25, 2.5),
    ('openai', 'gpt-4o-mini', 0.15, 0.6, 0.075, 0.15),
    ('openai', 'o3', 2, 8, 0.5, 2),
    ('openai', 'o4-mini', 1.1, 4.4, 0.275, 1.1)
ON CONFLICT DO NOTHING;
