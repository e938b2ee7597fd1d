"""Statements that write many rows at once.

Belongs here: the SQL of the write side. Never: when it runs.
"""

from aibridge_adapters.storage.postgres.columns import given, recordset
from aibridge_adapters.storage.rows import END_COLUMNS, START_COLUMNS, RecordTable

BEGIN_COLUMNS = (*START_COLUMNS, "owner")


def insert_records(table: RecordTable) -> str:
    """A record that is there already stays as it is."""
    columns = table.all_columns
    return f"""
        INSERT INTO {table.name} ({", ".join(columns)})
        SELECT {", ".join(map(given, columns))} FROM {recordset(columns)}
        ON CONFLICT (interception_id, id) DO NOTHING
    """


BEGIN = f"""
    INSERT INTO interceptions ({", ".join(BEGIN_COLUMNS)}, thread_parent_id, thread_root_id, session_id)
    SELECT {", ".join(map(given, BEGIN_COLUMNS))}, parent.id, parent.root_id,
        coalesce(nullif(given.client_session_id, ''), parent.root_id::text, given.id::text)
    FROM {recordset(BEGIN_COLUMNS)}
    LEFT JOIN LATERAL (
        SELECT caller.id, coalesce(caller.thread_root_id, caller.id) AS root_id
        FROM tool_usages AS call JOIN interceptions AS caller ON caller.id = call.interception_id
        WHERE left(call.provider_tool_call_id, 200) = left(given.correlating_tool_call_id, 200)
            AND call.provider_tool_call_id = given.correlating_tool_call_id AND call.provider_tool_call_id <> ''
        ORDER BY call.created_at DESC, call.id DESC LIMIT 1
    ) AS parent ON true
    ON CONFLICT (id) DO NOTHING
"""
"""Starts, each with the thread and session that follow from what is recorded before it."""

END = f"""
    WITH given AS MATERIALIZED (
        SELECT {", ".join(f"{given(column)} AS {column}" for column in END_COLUMNS)} FROM {recordset(END_COLUMNS)}
    ), ended AS (
        UPDATE interceptions SET status = given.status, ended_at = given.ended_at, error_type = given.error_type,
            error_message = given.error_message,
            credential_hint = coalesce(nullif(given.credential_hint, ''), interceptions.credential_hint)
        FROM given WHERE interceptions.id = given.id AND interceptions.status = 'in_flight'
    )
    SELECT given.id::text FROM given WHERE NOT EXISTS (SELECT FROM interceptions WHERE interceptions.id = given.id)
"""
"""Ends of what is in flight; answers the ids that have not begun. An end of what has ended changes nothing."""
