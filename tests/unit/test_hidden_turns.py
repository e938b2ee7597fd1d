"""What clients didn't see is kept for them, within bounds."""

from collections.abc import Sequence

from aibridge_core.hidden_turns import HiddenTurn, HiddenTurns, TurnPiece
from aibridge_core.testing.clock import FakeClock
from aibridge_core.tools import Toolbox


def turns(size: int = 1) -> Sequence[HiddenTurn]:
    return [HiddenTurn(pieces=[TurnPiece(source=b"x" * size)])]


def asking(*ids: str) -> bytes:
    return b'{"messages":[' + b",".join(b'{"tool_use_id" : "%s"}' % each.encode() for each in ids) + b"]}"


def test_a_request_finds_what_the_calls_hid_that_it_answers() -> None:
    """By the id of a call, in whatever member an API names it; other ids and texts find nothing."""
    mine = HiddenTurns(now=FakeClock().monotonic).of("ann")
    kept = turns()
    mine.keep("call_1", kept)
    assert mine.named_in(asking("call_0", "call_1")) == {"call_1": kept}
    assert mine.named_in(b'[{"call_id":"call_1"},{"tool_call_id":\n"call_9"}]') == {"call_1": kept}
    assert mine.named_in(b'{"text":"its tool_use_id is call_1","b_id":1,"c_id"') == {}


def test_nobody_finds_what_another_user_was_not_shown() -> None:
    """An id that one user made up, or saw somewhere, is not enough."""
    everybody = HiddenTurns(now=FakeClock().monotonic)
    everybody.of("ann").keep("call_1", turns())
    assert everybody.of("bob").named_in(asking("call_1")) == {}


def test_what_nobody_asked_for_in_a_day_is_let_go() -> None:
    """Each use begins its time anew."""
    clock = FakeClock()
    everybody = HiddenTurns(now=clock.monotonic, ttl=100)
    mine = everybody.of("ann")
    mine.keep("old", turns())
    mine.keep("used", turns())
    clock.turn(90)
    mine.named_in(asking("used"))
    clock.turn(20)
    assert set(mine.named_in(asking("old", "used"))) == {"used"}
    mine.keep("new", turns())
    assert len(everybody) == 2


def test_memory_is_bounded() -> None:
    """What was used longest ago goes first; keeping the same call again counts once; too much is not kept at all."""
    everybody = HiddenTurns(now=FakeClock().monotonic, max_bytes=4000)
    mine = everybody.of("ann")
    for name in ("a", "b", "c", "c"):
        mine.keep(name, turns(1000))
    mine.named_in(asking("a"))
    mine.keep("d", turns(1000))
    assert set(mine.named_in(asking("a", "b", "c", "d"))) == {"a", "c", "d"}
    mine.keep("e", turns(5000))
    assert (len(everybody), everybody.size) == (0, 0)


def test_a_toolbox_hides_nothing_by_itself() -> None:
    """Then keeping is forgetting."""
    hidden = Toolbox().hidden
    hidden.keep("call_1", turns())
    assert hidden.named_in(asking("call_1")) == {}
