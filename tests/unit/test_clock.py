"""Ids are UUIDs of version 7 and never go back."""

from uuid import UUID

from aibridge_adapters.clock import OrderedIds, SystemClock


def test_ids_keep_their_order_within_a_millisecond() -> None:
    """Ten thousand in a row are sorted and distinct, whatever the clock's resolution."""
    new_id = OrderedIds()
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_keep_their_order_whatever_the_clock_does(monkeypatch) -> None:
    """Ten thousand in a millisecond borrow from the next ones, and a clock that goes back doesn't take them along."""
    now = 1_800_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: now * 1_000_000)
    new_id = OrderedIds()
    made = [new_id() for _ in range(10_000)]
    now -= 60_000
    made += [new_id() for _ in range(10_000)]
    now += 120_000
    made.append(new_id())
    assert made == sorted(set(made))
    assert {UUID(each).version for each in made} == {7}
    assert UUID(made[-1]).int >> 80 == now


def test_ids_are_version_7_and_near_the_present() -> None:
    """The first 48 bits are Unix milliseconds."""
    made = UUID(OrderedIds()())
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert abs((made.int >> 80) / 1000 - SystemClock().now().timestamp()) < 5
