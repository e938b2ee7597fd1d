"""Filters of the command line as one search text, the REST API's `q`.

Belongs here: joining and quoting. Never: what the keys mean.
"""

from collections.abc import Mapping


def search_text(terms: Mapping[str, str | None]) -> str:
    """`{"model": "m", "client": "Claude Code"}` becomes `model:m client:"Claude Code"`; None is left out.

    Raises ValueError for a value that the search language can't hold.
    """
    return " ".join(f"{key}:{_quoted(key, value)}" for key, value in terms.items() if value is not None)


def _quoted(key: str, value: str) -> str:
    if not value.strip():
        raise ValueError(f"the filter value of {key} is empty; leave the flag out to have all")
    if '"' in value:
        raise ValueError(f"the filter value of {key} can't contain a double quote")
    return f'"{value}"' if ":" in value or any(char.isspace() for char in value) else value
