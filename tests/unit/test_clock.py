"""Ids are UUIDs of version 7 and never go back."""

from uuid import UUID

from aibridge_adapters.clock import OrderedIds, SystemClock


def test_ids_keep_their_order_within_a_millisecond() -> None:
    """Ten thousand in a row are sorted and distinct, whatever the clock's resolution."""
    new_id = OrderedIds()
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_are_version_7_and_near_the_present() -> None:
    """The first 48 bits are Unix milliseconds."""
    made = UUID(OrderedIds()())
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert abs((made.int >> 80) / 1000 - SystemClock().now().timestamp()) < 5
