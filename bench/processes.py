"""Starts the processes that are compared, and looks at them from outside.

Belongs here: starting, ending, CPU time, memory. Never: what is asked of them.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from attrs import frozen

HERE = Path(__file__).parent
TOKEN = secrets.token_hex(16)
"""The gateway's token in this run."""
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@frozen
class Process:
    """A running server."""

    name: str
    port: int
    process: psutil.Process

    def cpu(self) -> float:
        """User and system time so far, in seconds; in nanosecond steps where the kernel tells."""
        times = self.process.cpu_times()
        try:
            threads = Path(f"/proc/{self.process.pid}/task").iterdir()
            return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
        except (OSError, IndexError):
            return float(times.user + times.system)

    def memory(self) -> float:
        """Resident memory, in MiB."""
        return float(self.process.memory_info().rss) / 2**20


def pin_to(part: str, pid: int = 0) -> None:
    """The gateway has the first core for itself; the provider and the load have the others."""
    if len(_CORES) > 1:
        os.sched_setaffinity(pid, _CORES[:1] if part == "gateway" else _CORES[1:])


@contextmanager
def upstream() -> Iterator[Process]:
    """The lean provider."""
    with _started("upstream", [str(HERE / "upstream.py")], part="load") as process:
        yield process


@contextmanager
def stock_relay(provider: Process) -> Iterator[Process]:
    """The floor: a relay on the libraries as published."""
    arguments = [str(HERE / "stock_relay.py"), f"http://127.0.0.1:{provider.port}"]
    with _started("stock", arguments, part="gateway") as process:
        yield process


@contextmanager
def own_relay(provider: Process) -> Iterator[Process]:
    """The same relay on the gateway's own server and client."""
    with _started("own", [str(HERE / "own_relay.py"), f"http://127.0.0.1:{provider.port}"], part="gateway") as process:
        yield process


@contextmanager
def aibridge(provider: Process, folder: Path) -> Iterator[Process]:
    """The gateway as an operator starts it, recording into a new SQLite file."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environ = {
        **{
            name: value for name, value in os.environ.items() if "AIBRIDGE" not in name and "_proxy" not in name.lower()
        },
        "AIBRIDGE_HTTP_ADDRESS": f"127.0.0.1:{port}",
        "AIBRIDGE_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
        "AIBRIDGE_BOOTSTRAP_ADMIN_TOKEN": TOKEN,
        "AIBRIDGE_PROVIDER_0_TYPE": "anthropic",
        "AIBRIDGE_PROVIDER_0_NAME": "anthropic",
        "AIBRIDGE_PROVIDER_0_KEY": "sk-ant-bench",
        "AIBRIDGE_PROVIDER_0_BASE_URL": f"http://127.0.0.1:{provider.port}",
    }
    log = folder / "aibridge.log"
    command = [sys.executable, "-m", "aibridge_adapters.cli.main", "serve"]
    with log.open("wb") as output:
        child = subprocess.Popen(command, env=environ, stdout=output, stderr=output, cwd=folder)
    pin_to("gateway", child.pid)
    try:
        _await_ready(child, port, log)
        yield Process("aibridge", port, psutil.Process(child.pid))
    finally:
        _end(child)


@contextmanager
def _started(name: str, arguments: list[str], *, part: str) -> Iterator[Process]:
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    pin_to(part, child.pid)
    try:
        assert child.stdout
        yield Process(name, int(child.stdout.readline()), psutil.Process(child.pid))
    finally:
        _end(child)


def _await_ready(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        if child.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"the gateway did not start:\n{log.read_text()}")


def _end(child: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
