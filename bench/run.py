"""Compares the gateway with a bare relay on hypercorn and httpx: `python bench/run.py`.

All run at once, on a core of their own if there are two, and take turns within each round, so that a busy machine
troubles all alike: ratios last, absolute times don't. Belongs here: the order of things. Never: how a thing is
measured (`workloads`) or said (`report`).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import processes
import report
from attrs import evolve
from processes import Process
from workloads import OPEN_STREAMS, STEADY, WORKLOADS, Measured, measure, memory_over_time, peak_memory


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare the gateway with a bare relay on hypercorn and httpx.")
    parser.add_argument("--quick", action="store_true", help="one small round, under a minute")
    parser.add_argument("--rounds", type=int, default=None, help="how often each measurement is repeated (default 3)")
    parser.add_argument("--requests", type=int, default=None, help="requests of the memory test (default 50000)")
    parser.add_argument("--relays-only", action="store_true", help="measure the bare relays alone")
    parser.add_argument("--output", type=Path, help="write the results between the markers of this document")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    return parser.parse_args()


async def rounds_of(
    servers: Sequence[Process], provider: Process, *, rounds: int, quick: bool
) -> dict[tuple[str, str], list[Measured]]:
    """Every workload on every server, in turns."""
    found: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for number in range(rounds):
        order = servers if number % 2 == 0 else servers[::-1]
        for workload in WORKLOADS:
            kind = workload.quick() if quick else workload
            for server in (*order, provider):
                found[workload.name, server.name].append(await measure(kind, server))
            _say(f"round {number + 1} of {rounds}: {workload.name}")
    return found


def lines_of(found: dict[tuple[str, str], list[Measured]]) -> list[report.Line]:
    """The comparisons that need rounds."""
    single, flat, paced = WORKLOADS[0], WORKLOADS[-2], WORKLOADS[-1]
    return [
        *(report.cpu_line(workload, found) for workload in WORKLOADS),
        report.flatness_line(found),
        report.latency_line("Added time to first byte", "first_byte", single, found),
        report.latency_line("Added time to first byte", "first_byte", flat, found),
        report.latency_line("Added delay of an event, median", "delay", paced, found),
        report.latency_line("Added delay of an event, 99th percentile", "delay_p99", paced, found),
    ]


async def memory_lines(servers: Sequence[Process], *, requests: int, quick: bool) -> list[report.Line]:
    """Open streams, then a long steady load on the gateway alone."""
    streams = evolve(OPEN_STREAMS, events=4) if quick else OPEN_STREAMS
    peaks = {}
    for server in servers:
        peaks[server.name] = await peak_memory(streams, server)
        _say(f"{streams.name}: {server.name} at {peaks[server.name]:.0f} MiB")
    ours = servers[-1]
    steady = await memory_over_time(evolve(STEADY, count=requests), ours)
    _say(f"{requests} requests: {ours.name} at " + ", ".join(f"{each:.1f}" for each in steady) + " MiB")
    growth = {ours.name: steady[-1] - steady[0]}
    return [
        report.memory_line("Memory with 500 open streams", peaks, report.OPEN_STREAMS_TARGET),
        report.memory_line(f"Memory growth over {requests} requests", growth, report.GROWTH_TARGET),
    ]


def recorded(gateway: Process) -> int:
    """How many interceptions the gateway kept: without them the comparison would be worth nothing."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{gateway.port}/api/v2/aibridge/interceptions?limit=1",
        headers={"authorization": f"Bearer {processes.TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(json.load(answer)["count"])


async def run(options: argparse.Namespace, provider: Process, servers: Sequence[Process]) -> list[report.Line]:
    """Everything."""
    rounds = options.rounds or (1 if options.quick else 3)
    found = await rounds_of(servers, provider, rounds=rounds, quick=options.quick)
    requests = options.requests or (2_000 if options.quick else 50_000)
    return [*lines_of(found), *await memory_lines(servers, requests=requests, quick=options.quick)]


def main() -> int:
    """Start, compare, report."""
    options = arguments()
    began = time.monotonic()
    processes.pin_to("load")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aibridge-bench-")))
        provider = stack.enter_context(processes.upstream())
        servers = [stack.enter_context(relay(provider)) for relay in (processes.stock_relay, processes.own_relay)]
        if not options.relays_only:
            servers.append(stack.enter_context(processes.aibridge(provider, folder)))
        lines = asyncio.run(run(options, provider, servers))
        if not options.relays_only:
            _say(f"{recorded(servers[-1])} interceptions recorded")
    print(report.as_text(lines))
    print(f"\n{report.machine()}\nTook {time.monotonic() - began:.0f} s.")
    if options.output:
        report.write_section(options.output, lines)
    return int(options.check and any(line.met is False for line in lines))


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
