"""What logs cost a request: `python bench/logs.py`.

Belongs here: the parts that log, run over the records of a plain request (start, prompt, tokens, a tool call, end) and
a recorder that does nothing. CPU time of the whole process is counted, with the writing thread. Never: a server; the
cost of a whole request is `run.py`'s to say.
"""

import argparse
import asyncio
import gc
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.content_policy import redaction
from aibridge_adapters.telemetry.logs import Places, RecordedLines, RecordLog, ServiceLog, log_to, sink_counters
from aibridge_core.observing import UNWATCHED, Observer, Phase
from aibridge_core.ports import Recorder
from aibridge_core.providers.registry import provider
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record
from aibridge_core.routing import Router
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.samples import ANN, FACTS, Samples
from aibridge_core.wire import ClientRequest

LINES = 5
"""Of one request: start, prompt, tokens, tool call, end."""
TARGET = 60.0
"""Most that structured logging may add to a request, in microseconds of CPU."""


class NoRecorder:
    """Implements `aibridge_core.ports.Recorder` by doing nothing."""

    async def begin(self, start: InterceptionStart) -> None:
        pass

    async def record(self, records: Sequence[Record]) -> None:
        pass

    async def end(self, ended: InterceptionEnded) -> None:
        pass


@frozen(kw_only=True)
class Case:
    """One way to log."""

    name: str
    level: str = "info"
    recorder: Callable[[Recorder], Recorder] = lambda inner: inner
    observer: Observer = UNWATCHED


def structured(policy: str) -> Callable[[Recorder], Recorder]:
    redact = redaction(policy, key="k" * 32)
    return lambda inner: RecordLog(RecordedLines(inner), redact=redact, clock=SystemClock())


CASES = (
    Case(name="nothing that could log"),
    Case(name="logs as they are by default", recorder=RecordedLines, observer=ServiceLog()),
    Case(name="structured, full content", recorder=structured("full"), observer=ServiceLog()),
    Case(name="structured, hashed content", recorder=structured("hashed"), observer=ServiceLog()),
    Case(name="structured, no content", recorder=structured("none"), observer=ServiceLog()),
    Case(name="debug", level="debug", recorder=RecordedLines, observer=ServiceLog()),
)

samples = Samples(clock=FakeClock(datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)))
START = samples.start()
RECORDS = [samples.record(START, fact) for fact in FACTS[:3]]
ENDED = samples.ended(START)
REQUEST = ClientRequest(method="POST", path="/anthropic/v1/messages")
MATCH = Router([provider(name="anthropic", type="anthropic", base_url="https://a.example", keys=["k"])]).resolve(
    REQUEST.method, REQUEST.path
)


async def request(observer: Observer, recorder: Recorder) -> None:
    """What a request does with those who log."""
    watch = observer.bridged(MATCH, REQUEST, ANN)
    with watch:
        watch.started(START)
        await recorder.begin(START)
        with watch.during(Phase.PROCESS):
            await recorder.record(RECORDS)
            watch.ended(ENDED)
            await recorder.end(ENDED)


async def measure(case: Case, file: Path, requests: int) -> float:
    """Microseconds of CPU for one request."""
    log_to(Places(stderr=False, file=file), level=case.level)
    recorder = case.recorder(NoRecorder())
    for _ in range(200):
        await request(case.observer, recorder)
    gc.collect()
    begun = time.process_time()
    for number in range(requests):
        await request(case.observer, recorder)
        if number % 100 == 0:
            await asyncio.sleep(0.005)  # a gateway has other things to do, and the writer its turn
    logging.getLogger().handlers[0].close()
    spent = time.process_time() - begun
    (counters,) = sink_counters()
    assert counters.dropped == 0, counters
    return spent / requests * 1e6


def main() -> None:
    """Print what each case costs; the best of some rounds, since a busy machine only adds."""
    parser = argparse.ArgumentParser(description="What logs cost a request, in microseconds of CPU.")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    found = {case.name: 1e9 for case in CASES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for case in CASES:
                spent = asyncio.run(measure(case, Path(folder) / "log", options.requests))
                found[case.name] = min(found[case.name], spent)
    base = found[CASES[0].name]
    print(json.dumps({name: round(spent - base, 1) for name, spent in found.items()}, indent=2))
    if options.check and found["structured, full content"] - base > TARGET:
        sys.exit(f"structured logging costs more than {TARGET} us a request")


if __name__ == "__main__":
    main()
