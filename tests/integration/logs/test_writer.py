"""The thread that writes: nobody waits for it, what has no room is counted, and a rotated file is followed."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import Factory, define

from aibridge_adapters.telemetry.logs import LogFileNotOpened
from aibridge_adapters.telemetry.logs.outlets import LogFile
from aibridge_adapters.telemetry.logs.writer import LineWriter

DISK_FULL = OSError(28, "No space left on device")


@define
class Tap:
    """Implements `Outlet`: takes what a test lets through."""

    name: str = "tap"
    open: threading.Event = Factory(threading.Event)
    """While it is not set, writing waits."""
    asked: threading.Event = Factory(threading.Event)
    """Somebody wants to write."""
    failures: list[OSError] = Factory(list)
    """Raised one after the other."""
    bites: list[int] = Factory(list)
    """How many bytes the next writes take; then all."""
    taken: bytes = b""

    def write(self, data: memoryview) -> int:
        self.asked.set()
        self.open.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        bite = self.bites.pop(0) if self.bites else len(data)
        self.taken += data[:bite]
        return min(bite, len(data))

    def reopen(self) -> bool:
        return False


@pytest.fixture
def tap() -> Iterator[Tap]:
    tap = Tap()
    yield tap
    tap.open.set()


def lines(count: int, begin: int = 0) -> list[bytes]:
    return [b"line %d\n" % number for number in range(begin, begin + count)]


def put_all(writer: LineWriter, some: list[bytes]) -> None:
    for line in some:
        writer.put(line)


def test_lines_come_in_order_and_whole(tap: Tap) -> None:
    """Also if the outlet takes a few bytes at a time."""
    tap.bites = [3, 1, 20]
    tap.open.set()
    writer = LineWriter(tap)
    put_all(writer, lines(100))
    writer.close()
    assert tap.taken == b"".join(lines(100))
    assert (writer.counters.written, writer.counters.dropped) == (100, 0)


def test_a_blocked_outlet_holds_nobody_up(tap: Tap, caplog: pytest.LogCaptureFixture) -> None:
    """What has no room is dropped and counted; when the outlet goes on, the log says how much was lost."""
    writer = LineWriter(tap, limit=70)
    writer.put(b"first\n")
    assert tap.asked.wait(10)
    put_all(writer, lines(20))
    assert writer.counters.dropped == 11  # nine lines of seven bytes beside the first one
    tap.open.set()
    wait_for(lambda: "log lines were dropped" in caplog.text)
    (said,) = caplog.records
    assert (said.levelname, vars(said)["sink"], vars(said)["dropped"]) == ("ERROR", "tap", 11)
    writer.put(b"later\n")
    writer.close()
    assert tap.taken == b"".join([b"first\n", *lines(9), b"later\n"])


def test_a_line_larger_than_the_queue_still_goes_out(tap: Tap) -> None:
    """Long prompts exist; only what waits behind one is bounded."""
    tap.open.set()
    writer = LineWriter(tap, limit=10)
    writer.put(b"x" * 1000 + b"\n")
    writer.close()
    assert len(tap.taken) == 1001


def test_a_full_disk_loses_nothing_that_there_is_room_for(tap: Tap, caplog: pytest.LogCaptureFixture) -> None:
    """A failed write is tried again from where it stopped; it is said once."""
    tap.open.set()
    tap.bites, tap.failures = [4], [DISK_FULL, DISK_FULL]
    writer = LineWriter(tap, retry=0.01)
    put_all(writer, lines(10))
    wait_for(lambda: writer.counters.written == 10)
    writer.close()
    assert tap.taken == b"".join(lines(10))
    (said,) = caplog.records
    assert (said.getMessage(), vars(said)["error"]) == ("log lines can't be written", "No space left on device")


def test_the_end_does_not_wait_for_a_blocked_outlet(tap: Tap) -> None:
    """It waits as long as it is told, and no line is taken afterwards."""
    writer = LineWriter(tap)
    writer.put(b"stuck\n")
    assert tap.asked.wait(10)
    writer.close(patience=0.01)
    writer.put(b"too late\n")
    assert (tap.taken, writer.counters.dropped) == (b"", 1)


def test_the_end_gives_up_what_can_not_be_written(tap: Tap) -> None:
    """A disk that stays full is no reason to stay; the loss is counted."""
    tap.open.set()
    tap.failures = [DISK_FULL] * 5
    writer = LineWriter(tap, retry=60)
    put_all(writer, lines(3))
    assert tap.asked.wait(10)
    writer.close()
    assert writer.counters.dropped == 3


def test_a_rotated_file_is_followed(tmp_path: Path) -> None:
    """After a move, lines go to the old file until it is reopened, and then to a new one, for its owner only."""
    path, old = tmp_path / "log", tmp_path / "log.1"
    writer = LineWriter(LogFile(path))
    writer.put(b"one\n")
    wait_for(lambda: writer.counters.written == 1)
    path.rename(old)
    writer.put(b"two\n")
    wait_for(lambda: writer.counters.written == 2)
    writer.reopen()
    writer.put(b"three\n")
    writer.close()
    assert (old.read_bytes(), path.read_bytes()) == (b"one\ntwo\n", b"three\n")
    assert [file.stat().st_mode & 0o777 for file in (old, path)] == [0o600, 0o600]


def test_a_file_that_can_not_be_reopened_stays_in_use(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Better in the old file than nowhere; the log says it."""
    folder = tmp_path / "logs"
    folder.mkdir()
    writer = LineWriter(LogFile(folder / "log"))
    writer.put(b"one\n")
    wait_for(lambda: writer.counters.written == 1)
    folder.rename(tmp_path / "moved")
    writer.reopen()
    writer.put(b"two\n")
    writer.close()
    assert (tmp_path / "moved" / "log").read_bytes() == b"one\ntwo\n"
    assert "the log file can't be reopened" in caplog.text


def test_half_a_line_in_the_old_file_is_whole_in_the_new_one(tmp_path: Path) -> None:
    """A full disk cut a line, then the file was rotated: the new one begins with that line."""

    class Cutting(LogFile):
        full = True

        def write(self, data: memoryview) -> int:
            if self.full and bytes(data[:6]) == b"line 0":
                return super().write(data[:10])
            if self.full:
                raise DISK_FULL
            return super().write(data)

        def reopen(self) -> bool:
            self.full = False
            return super().reopen()

    path = tmp_path / "log"
    writer = LineWriter(Cutting(path), retry=0.01)
    writer.put(b"line 0\nline 1\n")
    wait_for(lambda: path.stat().st_size == 10)
    path.rename(tmp_path / "log.1")
    writer.reopen()
    wait_for(lambda: writer.counters.written == 1)
    writer.close()
    assert ((tmp_path / "log.1").read_bytes(), path.read_bytes()) == (b"line 0\nlin", b"line 1\n")


def test_a_file_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(LogFileNotOpened, match=r"can't write the log file .*/none/log: No such file or directory"):
        LogFile(tmp_path / "none" / "log")


def wait_for(happened: Callable[[], bool]) -> None:
    """Return when a condition holds; fails the test after ten seconds."""
    tick = threading.Event()
    for _ in range(10_000):
        if happened():
            return
        tick.wait(0.001)
    raise AssertionError("it did not happen")
