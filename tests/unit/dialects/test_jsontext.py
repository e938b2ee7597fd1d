"""JSON that strict decoders refuse is read all the same, and nothing else is changed by that."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.jsontext import MAX_COUNT, UNREADABLE, count_or_none, is_json, read, try_read_any

ANY = msgspec.json.Decoder()
LETTERS = st.text(alphabet=st.characters(exclude_categories=[]), max_size=20)  # half surrogate pairs, too


@given(LETTERS)
def test_any_text_of_any_writer(text: str) -> None:
    """Only the halves of surrogate pairs are replaced, each by one U+FFFD."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    written = json.dumps([text, "\\ud83d", '\\"', whole]).encode()
    assert try_read_any(written) == [whole, "\\ud83d", '\\"', whole]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'"\ud83d\u0041"', "\ufffdA"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (rb'"\ud83d\\ude00"', "\ufffd\\ude00"),
        (b'"\xff \\ud83d"', "\ufffd \ufffd"),
    ],
)
def test_halves_among_other_escapes(data: bytes, value: str) -> None:
    """A backslash that is itself escaped begins no escape."""
    assert read(ANY, data) == value


@pytest.mark.parametrize("data", [b"", b"{", b"nope", b'"\\ud83', b'{"a": "\\ud83d"', b"\xff", b"[" * 100_000])
def test_what_is_no_json_stays_unreadable(data: bytes) -> None:
    """Mending doesn't make JSON of what isn't."""
    with pytest.raises(UNREADABLE):
        read(ANY, data)
    assert try_read_any(data) is None


def test_another_shape_is_told_from_broken_json() -> None:
    """Who reads a typed value learns which of the two it was, also after mending."""
    decoder = msgspec.json.Decoder(dict[str, str])
    for data in (b'{"a": 1}', rb'{"a": "\ud83d", "b": 1}'):
        with pytest.raises(msgspec.ValidationError):
            read(decoder, data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{}", True), (' {"a": "\\ud83d"} ', True), ("7", True), ("", False), ('{"a": "b', False), ("{} {}", False)],
)
def test_whether_a_text_is_json(text: str, expected: bool) -> None:
    """One complete value, and nothing behind it."""
    assert is_json(text) is expected


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), (7, 7), (MAX_COUNT, MAX_COUNT), (MAX_COUNT + 1, None), (-1, None), (True, None), (7.0, None), ("7", None)],
)
def test_counts(value: Any, count: int | None) -> None:
    """A count is a whole number from zero; anything else is none."""
    assert count_or_none(value) == count
