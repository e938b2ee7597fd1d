"""Text that UTF-8 can't hold is mended, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.records import PromptUsage, Status
from aibridge_core.testing.samples import Samples
from aibridge_core.text import replaced, storable


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("plain", "plain"), ("é👍\x00", "é👍\x00"), ("a\ud800b", "a\ufffdb"), ("\udfff\ud800", "\ufffd\ufffd")],
)
def test_surrogates_become_replacement_characters(text, expected):
    """One U+FFFD for each surrogate; all else stays."""
    assert storable(text) == expected


def test_values_are_mended_inside():
    """Mappings, lists, tuples and attrs values are walked."""
    start = Samples().start(model="m\ud800", metadata={"k\ud800": ["\ud800", {"x": 1}]})
    mended = storable([start, ("\ud800", 7, None)])
    assert mended[0].model == "m\ufffd"
    assert mended[0].metadata == {"k\ufffd": ["\ufffd", {"x": 1}]}
    assert mended[0].started_at == start.started_at
    assert mended[1] == ("\ufffd", 7, None)


def test_what_one_storage_cannot_hold_is_replaced_inside():
    """The same walk, for any text; enumerations stay what they are."""
    ended = Samples().ended(Samples().start(), error_message="a\x00b\x00")
    mended = replaced([ended, {"k\x00": ("\x00", None)}], "\x00", "?")
    assert mended == [Samples().ended(Samples().start(), error_message="a?b?"), {"k?": ("?", None)}]
    assert mended[0].status is Status.COMPLETED


@given(st.text(st.characters(codec=None)))
def test_what_comes_out_is_utf8(text):
    """Whatever goes in, the result can be encoded, has the same length, and is stable."""
    mended = storable(PromptUsage(response_id="", prompt=text)).prompt
    assert len(mended.encode().decode()) == len(text)
    assert storable(mended) == mended
