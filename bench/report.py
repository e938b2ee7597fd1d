"""Turns measurements into a table with targets, for the terminal and for the documentation.

Belongs here: arithmetic and words. Never: measuring.
"""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from attrs import frozen
from workloads import Measured, Workload

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

Rounds = Mapping[tuple[str, str], Sequence[Measured]]
"""By name of the workload and of the process."""

TARGETS = {
    "blocking, 1 at a time": 1.35,
    "blocking, 10 at a time": 1.35,
    "blocking, 50 at a time": 1.35,
    "blocking, 500 at a time": 1.35,
    "flat stream, 4 at a time": 1.25,
    "paced stream, 10 at a time": 1.10,
}
"""Highest CPU time as a multiple of that of the relay on stock libraries."""
PROCESSES = ("stock", "own", "aibridge")
FEW, MANY = "blocking, 10 at a time", "blocking, 500 at a time"
FLAT_TARGET = 1.30
"""Highest CPU time per request at 500 concurrent requests as a multiple of that at 10."""
OPEN_STREAMS_TARGET = 150.0
"""MiB with 500 open streams."""
GROWTH_TARGET = 8.0
"""MiB from the first fifth of the steady load to its end: what an allocator may wander without a leak."""


@frozen(kw_only=True)
class Line:
    """One comparison. Relays run on the libraries as published (stock), or on the gateway's own server and client."""

    what: str
    stock: str
    own: str
    aibridge: str
    ratio: str = ""
    """To the relay on stock libraries."""
    target: str = ""
    met: bool | None = None
    to_own: str = ""
    """The ratio to the other relay, which has no target."""

    @property
    def verdict(self) -> str:
        return "" if self.met is None else "met" if self.met else "MISSED"

    def cells(self) -> tuple[str, ...]:
        return (self.what, self.stock, self.own, self.aibridge, self.ratio, self.target, self.verdict, self.to_own)


HEADINGS = ("", "stock relay", "own relay", "aibridge", "ratio to stock", "target", "", "ratio to own")


def cpu_line(workload: Workload, rounds: Rounds) -> Line:
    """CPU time of all, and the ratio of each round: its median decides."""
    stock, own, ours = (_cpu(rounds, workload.name, name) for name in PROCESSES)
    ratios = _ratios(ours, stock)
    unit = "event" if workload.per_event else "request"
    target = TARGETS[workload.name]
    return Line(
        what=f"CPU per {unit}: {workload.name}",
        stock=_span(stock, "us"),
        own=_span(own, "us"),
        aibridge=_span(ours, "us"),
        ratio=_span(ratios, "", digits=2),
        target=f"{target:.2f}",
        met=statistics.median(ratios) <= target if ratios else None,
        to_own=_span(_ratios(ours, own), "", digits=2),
    )


def flatness_line(rounds: Rounds) -> Line:
    """Whether cost grows with concurrency."""
    stock, own, ours = (
        [many / few for many, few in zip(_cpu(rounds, MANY, name), _cpu(rounds, FEW, name), strict=True)]
        for name in PROCESSES
    )
    return Line(
        what="CPU at 500 concurrent requests / at 10",
        stock=_span(stock, "", digits=2),
        own=_span(own, "", digits=2),
        aibridge=_span(ours, "", digits=2),
        target=f"{FLAT_TARGET:.2f}",
        met=statistics.median(ours) <= FLAT_TARGET if ours else None,
    )


def _cpu(rounds: Rounds, workload: str, name: str) -> list[float]:
    return [measured.cpu for measured in rounds.get((workload, name), ())]


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Of each round; what is missing has none."""
    return [mine / floor for mine, floor in zip(ours, theirs, strict=False)]


def latency_line(what: str, field: str, workload: Workload, rounds: Rounds) -> Line:
    """Time that each adds to a direct connection to the provider."""
    direct = [getattr(measured, field) for measured in rounds[workload.name, "upstream"]]
    stock, own, ours = (
        [
            getattr(measured, field) - base
            for measured, base in zip(rounds.get((workload.name, name), ()), direct, strict=False)
        ]
        for name in PROCESSES
    )
    return Line(
        what=f"{what}: {workload.name}", stock=_span(stock, "us"), own=_span(own, "us"), aibridge=_span(ours, "us")
    )


def memory_line(what: str, mebibytes: Mapping[str, float], target: float) -> Line:
    """Memory by name of the process; only a limit counts."""
    stock, own, ours = (f"{mebibytes[name]:.1f} MiB" if name in mebibytes else "-" for name in PROCESSES)
    return Line(
        what=what,
        stock=stock,
        own=own,
        aibridge=ours,
        target=f"{target:.0f} MiB",
        met=mebibytes["aibridge"] <= target if "aibridge" in mebibytes else None,
    )


def _span(values: Sequence[float], unit: str, *, digits: int = 0) -> str:
    if not values:
        return "-"
    three = (min(values), statistics.median(values), max(values))
    return " / ".join(f"{value:.{digits}f}" for value in three) + (f" {unit}" if unit else "")


def as_text(lines: Sequence[Line]) -> str:
    """For a terminal."""
    rows = [HEADINGS, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_markdown(lines: Sequence[Line]) -> str:
    """For the documentation."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """Where this was measured."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("hypercorn", "httptools", "httpx", "msgspec"))
    day = datetime.now(UTC).date().isoformat()  # noqa: TID251
    return (
        f"{day}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{libraries}. Each cell: minimum / median / maximum over the rounds."
    )


def write_section(path: Path, lines: Sequence[Line]) -> None:
    """Replace what stands between the markers of a document."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path} lacks the markers {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{machine()}\n\n{as_markdown(lines)}\n\n{END}{after}")
