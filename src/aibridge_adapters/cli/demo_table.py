"""The columns of the demo's table: everything that is kept of a request, at a glance.

Belongs here: what a cell says. Never: where the table goes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from aibridge_adapters.cli.output import Column, Row
from aibridge_adapters.cli.safe_text import one_line

_STYLES = {"completed": "green", "failed": "red", "cancelled": "yellow"}


def _time(row: Row) -> str:
    return f"{datetime.fromisoformat(row['started_at']):%H:%M:%S}"


def _tokens(kind: str) -> Callable[[Row], str]:
    def total(row: Row) -> str:
        # Nothing was reported is not the same as zero.
        usages = row["token_usages"]
        return str(sum(usage[kind] for usage in usages)) if usages else "-"

    return total


def _reasoning(row: Row) -> str:
    thoughts = [thought for thought in row["model_thoughts"] if thought["metadata"].get("source") != "commentary"]
    return _texts(thoughts, "content", 36)


def _texts(parts: Sequence[Mapping[str, Any]], key: str, longest: int) -> str:
    return one_line(", ".join(str(part[key]) for part in parts), longest)


COLUMNS = (
    Column(title="TIME (UTC)", cell=_time, rank=7),
    Column(title="USER", cell=lambda row: one_line(str(row["initiator"]["username"]), 20), rank=8),
    Column(title="CLIENT", cell=lambda row: one_line(str(row["client"]), 20)),
    Column(title="PROVIDER", cell=lambda row: one_line(str(row["provider_name"]), 20), rank=9),
    Column(title="MODEL", cell=lambda row: one_line(str(row["model"]), 20), rank=5),
    Column(title="STATUS", cell=lambda row: str(row["status"]), style=lambda row: _STYLES.get(row["status"], "")),
    Column(title="PROMPT", cell=lambda row: _texts(row["user_prompts"], "prompt", 24)),
    Column(title="IN", cell=_tokens("input_tokens"), number=True, rank=3),
    Column(title="OUT", cell=_tokens("output_tokens"), number=True, rank=3),
    Column(title="CACHE R", cell=_tokens("cache_read_input_tokens"), number=True, rank=4),
    Column(title="CACHE W", cell=_tokens("cache_write_input_tokens"), number=True, rank=4),
    Column(title="TOOLS", cell=lambda row: _texts(row["tool_usages"], "tool", 24), rank=1),
    Column(title="REASONING", cell=_reasoning, rank=6),
)
"""On a narrow terminal those of the highest rank go first. Tokens: plain input, output, read from and written to the
provider's prompt cache."""
