"""Splicing changes one member of a JSON text and leaves every other byte alone."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aibridge_core.dialects.splice import (
    change_members,
    extended,
    find_member,
    insert_member,
    item_texts,
    map_items,
    members,
    remove_member,
    replace_items,
    set_member,
)


def test_a_first_member_is_put_before_the_others() -> None:
    """The rest of the text stays as it was written, odd spaces included."""
    assert insert_member(b' {\n "a" : 1e2 }\n', "b", b"[ ]") == b' {"b":[ ],\n "a" : 1e2 }\n'


@pytest.mark.parametrize(("empty", "expected"), [(b"{}", b'{"b":1}'), (b"{ \n}", b'{"b":1 \n}')])
def test_an_empty_object_gets_no_comma(empty: bytes, expected: bytes) -> None:
    """The only member of an object has nothing to be separated from."""
    assert insert_member(empty, "b", b"1") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b'{"o":null}', b'{"o":{"x":true}}'),
        (b'{"o" : { } }', b'{"o" : {"x":true } }'),
        (b'{"o":{"x":false}}', b'{"o":{"x":true}}'),
        (b'{"o":{"y":1, "x" : false , "z":2}}', b'{"o":{"y":1, "x" : true , "z":2}}'),
        (b'{"a":"\\"o\\":{}","o":{"y":"}"}}', b'{"a":"\\"o\\":{}","o":{"x":true,"y":"}"}}'),
        (b'{"o":{"x":1},"o":{"x":2,"x":3}}', b'{"o":{"x":1},"o":{"x":2,"x":true}}'),
        (b'{"\\u006f":{"\\u0078":false}}', b'{"\\u006f":{"\\u0078":true}}'),
        (b'{"\xff":[{}],"a":"\xfe","o":{}}', b'{"\xff":[{}],"a":"\xfe","o":{"x":true}}'),
        (b"{}", b'{"o":{"x":true}}'),
        (b'{"a":"\\\\","b":[[],{"o":1}]}', b'{"o":{"x":true},"a":"\\\\","b":[[],{"o":1}]}'),
    ],
)
def test_a_nested_member_is_set_where_it_stands(source: bytes, expected: bytes) -> None:
    """Objects on the way are made where there is none; of repeated names the last one counts; strings are no syntax."""
    assert set_member(source, ("o", "x"), b"true") == expected


@pytest.mark.parametrize("source", [b"[]", b'"{}"', b"", b'{"o":1}', b'{"o":[]}', b'{"o":"{}"}'])
def test_what_is_no_object_is_refused(source: bytes) -> None:
    """Nothing is overwritten to make room for the member."""
    with pytest.raises(ValueError, match=r"expected \{"):
        set_member(source, ("o", "x"), b"true")


@pytest.mark.parametrize(
    "source", [b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":[1}', b'{"a" 1}', b'{"a":1 "b":2}', b"{1:2}"]
)
def test_broken_text_is_refused(source: bytes) -> None:
    """A text that ends too early is never guessed at."""
    with pytest.raises(ValueError):
        set_member(source, ("o",), b"1")


SPACE = st.text(" \t\n\r", max_size=2)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
NAMES = st.sampled_from(["o", "x", "é", '"', "\\", "{", "o\n"]) | st.text(max_size=3)
Pairs = list[tuple[str, Any]]


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """`value` as somebody might write it."""
    if isinstance(value, dict):
        return draw(written_object(list(value.items())))
    if isinstance(value, list):
        inner = [draw(SPACE) + draw(written(element)) + draw(SPACE) for element in value]
        return "[" + (",".join(inner) or draw(SPACE)) + "]"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


@st.composite
def written_object(draw: st.DrawFn, pairs: Pairs) -> str:
    """An object with these members in this order, repeated names included."""
    shown = []
    for name, value in pairs:
        escaped = draw(st.booleans())
        text = '"' + "".join(f"\\u{ord(c):04x}" for c in name) + '"' if escaped and name.isascii() else json.dumps(name)
        shown.append(draw(SPACE) + text + draw(SPACE) + ":" + draw(SPACE) + draw(written(value)) + draw(SPACE))
    return "{" + (",".join(shown) or draw(SPACE)) + "}"


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """An object; its members `o` are objects or null."""
    pairs: Pairs = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    inner = st.none() | st.dictionaries(NAMES, VALUES, max_size=3)
    pairs = [(name, draw(inner) if name == "o" else value) for name, value in pairs]
    return (draw(SPACE) + draw(written_object(pairs)) + draw(SPACE)).encode("utf-8", "surrogatepass")


@given(documents())
@example(b'{"o":{},"o":null}')
def test_only_the_member_changes(source: bytes) -> None:
    """Decoded, the text says the same but for the member; as text, one stretch was replaced or put in."""
    before = json.loads(source.decode("utf-8", "surrogatepass"))
    after = set_member(source, ("o", "x"), b'["new"]')

    expected = {**before, "o": {**(before.get("o") or {}), "x": ["new"]}}
    assert json.loads(after.decode("utf-8", "surrogatepass")) == expected
    before_it = _alike(source, after)
    behind_it = _alike(source[before_it:][::-1], after[before_it:][::-1])
    assert source[before_it : len(source) - behind_it] in _old_value(source)


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes at the beginning are the same."""
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))


def _old_value(source: bytes) -> bytes:
    """What stood where the member is now: its old value, a null in place of its object, or nothing."""
    outer = find_member(source, "o")
    if outer is None or source[outer.start : outer.end] == b"null":
        return b"null" if outer else b""
    inner = find_member(source, "x", outer.start)
    return source[inner.start : inner.end] if inner else b""


@given(documents())
def test_every_member_is_found(source: bytes) -> None:
    """The scanner sees what a decoder sees, in the same order."""
    seen = [(member.name, json.loads(source[member.start : member.end])) for member in members(source)]
    assert seen == _pairs(source)


def _pairs(source: bytes) -> Pairs:
    """The outermost object's members, repeated ones included, as the standard decoder sees them."""
    seen: Pairs = []

    def keep(pairs: Pairs) -> dict[str, Any]:
        seen[:] = pairs
        return dict(pairs)

    json.loads(source, object_pairs_hook=keep)
    return seen


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b'{"a":1, "b" : {"a":2} ,"c":3}', b'{"a":1, "c":3}'),
        (b'{"b":1}', b"{}"),
        (b'{ "b":1 , "c":3}', b'{ "c":3}'),
        (b'{"a":1, "b":[1,2] }', b'{"a":1 }'),
        (b'{"b":1,"b":2,"a":"b","b":3}', b'{"a":"b"}'),
        (b'{"a":1}', b'{"a":1}'),
    ],
)
def test_members_are_removed_with_their_comma(source: bytes, expected: bytes) -> None:
    """All of that name, or the ones before would come to light."""
    assert remove_member(source, "b") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b'{"l" : [ 1 , {"x":"]"},[]]}', b'{"l" : [ 0:1 , 1:{"x":"]"},2:[]]}'),
        (b'{"l":[]}', b'{"l":[]}'),
        (b'{"l":null}', b'{"l":null}'),
        (b"{}", b"{}"),
    ],
)
def test_items_of_a_list_are_replaced_where_they_stand(source: bytes, expected: bytes) -> None:
    """Spaces and commas between them stay."""
    assert map_items(source, "l", lambda position, item: b"%d:%s" % (position, item)) == expected


def test_items_of_something_else() -> None:
    """There are none to be replaced."""
    with pytest.raises(ValueError, match="expected"):
        map_items(b'{"l":{}}', "l", lambda position, item: item)


@pytest.mark.parametrize("filling", ["x" * 5000, "\ud83d" * 1000, '"' * 5000])
def test_large_sources_are_searched_by_a_faster_way_with_the_same_result(filling: str) -> None:
    """Repeated names, too, whose values begin alike."""
    text = json.dumps(filling).encode()
    source = b'{"a":' + text + b',"n":12,"o":{"x":1},"n":1,"o":{"x":1,"y":2},"a":' + text[:-1] + b'z"}'
    found = [(member.name, source[member.start : member.end]) for member in members(source)]
    assert found == [
        ("a", text),
        ("n", b"12"),
        ("o", b'{"x":1}'),
        ("n", b"1"),
        ("o", b'{"x":1,"y":2}'),
        ("a", text[:-1] + b'z"'),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b'{ "a" : [ 1 ], "b":2 }', b'{ "a" : [ 1 ,7], "b":3 }'),
        (b'{"b": 2 , "a":null}', b'{"b": 3 , "a":[7]}'),
        (b'{"a":[]}', b'{"b":3,"a":[7]}'),
        (b"{ }", b'{"a":[7],"b":3 }'),
        (b'{"b":1,"x":0,"b":2}', b'{"a":[7],"b":1,"x":0,"b":3}'),
    ],
)
def test_several_members_are_changed_in_one_pass(source: bytes, expected: bytes) -> None:
    """What isn't there is put first; of repeated names the last one counts."""
    changes = {"a": lambda value: extended(value, [b"7"]), "b": lambda _: b"3"}
    assert change_members(source, changes) == expected


@pytest.mark.parametrize("filling", ["x", "\\ud83d"])
def test_items_are_replaced_by_position(filling: str) -> None:
    """One by several, too; the rest keeps its bytes, also where half a character stands in it."""
    source = f'{{"l" : [ "a,]" , {{"x":"{filling}"}},3 ] }}'.encode()
    assert replace_items(source, "l", lambda items: {0: b"1,2", 2: items[0]}) == source.replace(
        b'"a,]" ', b"1,2 "
    ).replace(b"3 ]", b'"a,]" ]')
    assert replace_items(source, "l", lambda items: {}) is source
    assert item_texts(b'{"l":{}}', "l") == item_texts(b"{}", "l") == ()
