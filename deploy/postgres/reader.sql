-- A role for Grafana, and for anybody who reads the trail in SQL: it can read, and nothing else. Run by the owner of the
-- database, after the gateway's first start and after prices.sql, once more after an upgrade that adds tables:
--   psql "$AIBRIDGE_DATABASE_URL" -v password="$(cat password.txt)" -f deploy/postgres/reader.sql
--
-- It reads what people asked and what was answered, so give its password to those who may. It doesn't read users' tokens
-- and other credentials, though those are hashed or sealed: whoever looks at usage has no use for them.

SELECT 'CREATE ROLE aibridge_reader LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'aibridge_reader') \gexec

ALTER ROLE aibridge_reader PASSWORD :'password';
-- A dashboard over a year must not keep the gateway's database busy for an hour, nor hold back its vacuum.
ALTER ROLE aibridge_reader SET default_transaction_read_only = on;
ALTER ROLE aibridge_reader SET statement_timeout = '30s';
ALTER ROLE aibridge_reader SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE aibridge_reader CONNECTION LIMIT 10;

GRANT USAGE ON SCHEMA public TO aibridge_reader;
GRANT SELECT ON interceptions, user_prompts, token_usages, tool_usages, model_thoughts, network_calls, daily_counts,
    initiator_daily_counts TO aibridge_reader;
GRANT USAGE ON SCHEMA dashboards TO aibridge_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA dashboards TO aibridge_reader;
