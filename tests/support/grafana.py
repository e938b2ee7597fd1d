"""Reads Grafana dashboards, and puts what Grafana would put in place of its macros and variables.

Belongs here: the few macros that our dashboards use. Never: Grafana's other ones; one that is left over is an error.

| In a query | Becomes | Grafana's documentation |
|---|---|---|
| `$__timeFilter(x)` | `x BETWEEN 'FROM' AND 'TO'` | PostgreSQL query editor, macros |
| `$__timeGroupAlias(x, $__interval)` | `x` cut to whole minutes, `AS "time"` | the same |
| `${name:sqlstring}` | the values in single quotes, doubled inside, with commas | variable syntax, advanced formats |
| `$__rate_interval`, `$__range` | a minute, an hour | Prometheus template variables |
| `"$name"` in PromQL | `".*"`, what our dashboards make of "All" | variable syntax |
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"


@frozen
class Query:
    """One question of a dashboard."""

    asked_by: str
    """Title of the panel, or label of the variable."""
    text: str


def dashboard(name: str) -> Mapping[str, Any]:
    """One file of the folder."""
    found: Mapping[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def panel_queries(of: Mapping[str, Any]) -> Iterator[Query]:
    """Those of all panels, in SQL or PromQL."""
    for panel in of["panels"]:
        for target in panel.get("targets", ()):
            yield Query(panel["title"], target.get("rawSql") or target["expr"])


def variable_queries(of: Mapping[str, Any]) -> Mapping[str, Query]:
    """Those of all variables, by name."""
    queries = {each["name"]: each for each in of["templating"]["list"] if each["type"] == "query"}
    return {
        name: Query(each["label"], each["query"] if isinstance(each["query"], str) else each["query"]["query"])
        for name, each in queries.items()
    }


def as_sql(text: str, *, first: str, last: str, variables: Mapping[str, Sequence[str]]) -> str:
    """What PostgreSQL is asked. Times are RFC 3339."""
    text = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN '{first}' AND '{last}'", text)
    text = re.sub(r"\$__timeGroupAlias\(([\w.]+), \$__interval\)", r"""date_trunc('minute', \1) AS "time\"""", text)
    for name, values in variables.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        text = text.replace(f"${{{name}:sqlstring}}", quoted)
    return _nothing_left(text)


def as_promql(text: str) -> str:
    """What Prometheus is asked."""
    text = text.replace("$__rate_interval", "1m").replace("$__range", "1h")
    return _nothing_left(re.sub(r'"\$\w+"', '".*"', text))


def _nothing_left(text: str) -> str:
    assert "$" not in text, f"a macro or variable that nobody put a value for: {text}"
    return text
