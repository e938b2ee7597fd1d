"""How the demo looks: its steps, its table, and the lines to copy.

Belongs here: words and layout. Never: what happens. On a terminal in colours, elsewhere plain.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from aibridge_adapters.cli.connecting import recipes
from aibridge_adapters.cli.demo_agents import Heard
from aibridge_adapters.cli.demo_table import COLUMNS
from aibridge_adapters.cli.output import Row, emit
from aibridge_adapters.cli.safe_text import one_line, safe
from aibridge_adapters.config import ProviderSettings
from aibridge_adapters.scripted_provider import MAGIC_WORDS

_QUOTED = 50
"""How much of an answer a step shows, in characters."""


class DemoView:
    """Writes on standard output, each piece at once."""

    def __init__(self) -> None:
        self._console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)

    def introduce(self, *, provider: str, gateway: str, database: str, user: str, port_taken: int | None) -> None:
        """Who takes part."""
        self._line("aibridge demo: no network, no key, no model", "bold green")
        self._line()
        self._line(f"  Provider   {provider:<22}   scripted: it speaks the three APIs")
        self._line(f"  Gateway    {gateway:<22}   in front of it" + _elsewhere(port_taken))
        self._line(f"  Database   {database}")
        self._line(f"  User       {user}, with a fresh token")
        self._line()
        self._line("Three clients talk to the gateway", "bold")

    def step(self, client: str, sent: str, heard: Heard) -> None:
        """One request and its answer."""
        style = "yellow" if heard.hung_up else "red" if heard.error else ""
        self._line(f"  {client:<12} {sent:<34} {heard.status}  {', '.join(_result(heard))}", style)

    def table(self, rows: Sequence[Row]) -> None:
        """The interceptions."""
        self._line()
        self._line("What was kept, as the REST API tells it", "bold")
        self._console.file.flush()
        emit(rows, COLUMNS, "table")

    def farewell(self, url: str, token: str, providers: Sequence[ProviderSettings], *, stays: bool) -> None:
        """What to try while it runs."""
        if not stays:
            self._line()
            self._line("That was all (--once). Without it the demo keeps serving, and says how to connect a client.")
            return
        for client, lines in _recipes(url, token, providers):
            self._line()
            self._line(client, "bold")
            for line in lines:
                self._line(f"  {line}")
        self._line()
        self._line(
            f"Words in a prompt that this provider obeys: {', '.join(word.words for word in MAGIC_WORDS)}", "dim"
        )
        self._line("Ctrl-C ends it.", "dim")

    def _line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(safe(text), style=style))
        self._console.file.flush()


def _elsewhere(port_taken: int | None) -> str:
    return f" (port {port_taken} is taken, so a free one)" if port_taken else ""


def _result(heard: Heard) -> Iterator[str]:
    if heard.error:
        yield one_line(heard.error, 60)
        return
    if heard.hung_up:
        yield f"hangs up after {heard.events} events"
        return
    yield f"{heard.events} events"
    if heard.thought:
        yield "reasons"
    if heard.calls:
        yield f"calls {' and '.join(heard.calls)}"
    elif heard.text:
        yield f"says: {one_line(heard.text, _QUOTED)}"


def _recipes(url: str, token: str, providers: Sequence[ProviderSettings]) -> Iterator[tuple[str, Sequence[str]]]:
    yield "Your turn: what `aibridge` itself and Codex read", [f"export AIBRIDGE_URL={url} AIBRIDGE_TOKEN={token}"]
    yield from recipes(url, providers, token)
    command = _command()
    yield (
        "The table again, and one interception in full",
        [f"{command} interceptions list", f"{command} interceptions show ID"],
    )


def _command() -> str:
    """`aibridge` as it can be typed here: `make demo` runs one that is on no path."""
    typed = sys.argv[0]
    return typed if Path(typed).name == "aibridge" and not shutil.which("aibridge") else "aibridge"
