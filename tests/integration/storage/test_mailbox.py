"""How the writer's thread reaches the event loop."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from aibridge_adapters.storage.sqlite.mailbox import Mailbox

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("eventfd", [True, False])]


def in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


async def test_calls_are_made_in_their_order_and_on_the_loop(eventfd: bool) -> None:
    """However many come before the loop looks."""
    mailbox, made, done = Mailbox(eventfd=eventfd), list[int](), asyncio.Event()
    mine = threading.get_ident()

    def take(number: int) -> None:
        assert threading.get_ident() == mine
        made.append(number)

    def work() -> None:
        for number in range(1000):
            mailbox.send(take, number)
        mailbox.send(done.set)

    in_thread(work)
    await done.wait()
    assert made == list(range(1000))
    mailbox.close()


async def test_a_call_wakes_a_loop_that_sleeps(eventfd: bool) -> None:
    """Also the second time."""
    mailbox = Mailbox(eventfd=eventfd)
    for _ in range(2):
        called = asyncio.Event()
        timer = threading.Timer(0.01, mailbox.send, [called.set])
        timer.start()
        async with asyncio.timeout(5):
            await called.wait()
        timer.join()
    mailbox.close()


async def test_nothing_is_left_in_it(eventfd: bool) -> None:
    """What was sent before the end is called, at the latest a turn of the loop after it."""
    mailbox, made = Mailbox(eventfd=eventfd), list[str]()
    in_thread(lambda: mailbox.send(made.append, "the last"))
    mailbox.close()
    await asyncio.sleep(0)
    assert made == ["the last"]


async def test_a_call_that_fails_stops_no_other(eventfd: bool) -> None:
    """It is the loop's to report, as that of any callback."""
    mailbox, failures, done = Mailbox(eventfd=eventfd), list[object](), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fail() -> None:
        raise LookupError

    in_thread(lambda: (mailbox.send(fail), mailbox.send(done.set)))
    async with asyncio.timeout(5):
        await done.wait()
    assert [type(each) for each in failures] == [LookupError]
    mailbox.close()


def test_a_loop_that_has_ended(eventfd: bool) -> None:
    """The thread learns that nobody hears it any more."""

    async def make() -> Mailbox:
        return Mailbox(eventfd=eventfd)

    mailbox = asyncio.run(make())
    with pytest.raises(RuntimeError):
        mailbox.send(print)
