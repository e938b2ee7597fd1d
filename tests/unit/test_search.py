"""The search language `q`."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.records import InterceptionFilter, Status
from aibridge_core.search import (
    InterceptionQuery,
    InvalidSearch,
    Validation,
    parse_clients,
    parse_interceptions,
    parse_models,
)


def where(**fields):
    """A query without initiator."""
    return InterceptionQuery(where=InterceptionFilter(**fields))


@pytest.mark.parametrize("q", ["", "   ", "\t\n"])
def test_nothing_asks_for_everything(q):
    """An empty search has no conditions."""
    assert parse_interceptions(q) == where()
    assert parse_models(q) == parse_clients(q) == ""


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("provider:anthropic", where(provider="anthropic")),
        ("provider_name:openai-eu", where(provider_name="openai-eu")),
        ("model:gpt-5", where(model="gpt-5")),
        ("client:Codex", where(client="Codex")),
        ("client:Unknown", where(client="Unknown")),
        ('client:"Claude Code"', where(client="Claude Code")),
        ("status:in_flight", where(status=Status.IN_FLIGHT)),
        ("status:interrupted", where(status=Status.INTERRUPTED)),
        ("session_id:0a1b", where(session_id="0a1b")),
        ('session_id:"user:7 a"', where(session_id="user:7 a")),
        ("MODEL:GPT-5", where(model="GPT-5")),
        ("  model:a   client:b ", where(model="a", client="b")),
        ('model:"a"', where(model="a")),
        ('"model":a', where(model="a")),
        ('model:a" "b', where(model="a b")),
        ('model:"a b', where(model="a b")),
        ('model:""', where()),
        ("model:日本語", where(model="日本語")),
    ],
)
def test_keys(q, expected):
    """Each key has a value; keys don't mind their case, values do; quotes keep spaces and colons."""
    assert parse_interceptions(q) == expected


@pytest.mark.parametrize(
    ("q", "initiator"),
    [
        ("initiator:me", "me"),
        ("initiator:ann", "ann"),
        ("ann", "ann"),
        ("ann other", "ann other"),
        ("ann model:x other", "ann other"),
        ('"ann   other"', "ann   other"),
        ('"team:ann"', "team:ann"),
        ("0a000000-0000-4000-8000-00000000000a", "0a000000-0000-4000-8000-00000000000a"),
    ],
)
def test_bare_words_are_the_initiator(q, initiator):
    """Words without a key are joined by spaces and name the initiator; who that is, is not decided here."""
    assert parse_interceptions(q).initiator == initiator


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.25Z", datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("2026-01-02T03:04:05+05:30", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
    ],
)
def test_times(text, moment):
    """Times are RFC 3339, with fractions and any offset."""
    query = parse_interceptions(f'started_after:"{text}"')
    assert query.where.started_after == moment


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "20260102T030405Z",
        "2026-13-02T03:04:05Z",
        "2026-02-30T03:04:05Z",
        "2026-01-02T25:04:05Z",
        "2026-01-02T03:04:05Z ",
        "1767322800",
    ],
)
def test_what_is_no_time(text):
    """Anything else is refused, with an example of what is not."""
    [validation] = validations(f'started_before:"{text}"')
    assert validation.field == "started_before"
    assert '"2026-01-02T03:04:05Z"' in validation.detail


def test_a_range_has_a_length():
    """The end of a range lies after its beginning."""
    early, late = '"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:06Z"'
    assert parse_interceptions(f"started_after:{early} started_before:{late}").where.started_before is not None
    for after, before in ((late, early), (early, early)):
        [validation] = validations(f"started_after:{after} started_before:{before}")
        assert validation.field == "started_before"
        assert "must be later than started_after" in validation.detail


def validations(q, parse=parse_interceptions):
    """What is wrong with a search."""
    with pytest.raises(InvalidSearch) as caught:
        parse(q)
    return list(caught.value.validations)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("model:", Validation("q", "Query element \"model:\" cannot start or end with ':'")),
        (":x", Validation("q", "Query element \":x\" cannot start or end with ':'")),
        (":", Validation("q", "Query element \":\" cannot start or end with ':'")),
        ("ann model:", Validation("q", "Query element \"model:\" cannot start or end with ':'")),
        ("a:b:c", Validation("q", "Query element \"a:b:c\" can only contain 1 ':'")),
        ("a::b", Validation("q", "Query element \"a::b\" can only contain 1 ':'")),
        (
            "started_after:2026-01-02T03:04:05Z",
            Validation("q", "Query element \"started_after:2026-01-02T03:04:05Z\" can only contain 1 ':'"),
        ),
        (
            "model:a model:b",
            Validation(
                "model",
                'Query param "model" provided more than once, found 2 times. '
                "Only provide 1 instance of this query param.",
            ),
        ),
        (
            "initiator:ann ben Initiator:carl",
            Validation(
                "initiator",
                'Query param "initiator" provided more than once, found 3 times. '
                "Only provide 1 instance of this query param.",
            ),
        ),
    ],
)
def test_what_is_wrong(q, expected):
    """A search that can't be read says which element is at fault, and why."""
    assert validations(q) == [expected]


def test_an_unknown_key_is_named():
    """A misspelled key is an error that lists the right ones, not a filter that finds nothing."""
    [validation] = validations("modle:x")
    assert validation.field == "modle"
    assert '"modle" is not a valid query param' in validation.detail
    assert "model, client" in validation.detail


def test_an_unknown_status_lists_the_known():
    """Statuses are a closed list."""
    [validation] = validations("status:done")
    assert validation.field == "status"
    assert "in_flight, completed, failed, cancelled, interrupted" in validation.detail


@pytest.mark.parametrize("name", ["OpenAI", "open_ai", "-a", "a-", "a--b", '"a b"'])
def test_a_provider_name_has_a_form(name):
    """What can't be a provider's name is refused."""
    [validation] = validations(f"provider_name:{name}")
    assert validation.field == "provider_name"


def test_everything_that_is_wrong_is_said_at_once():
    """Several mistakes make several entries, known keys first."""
    found = validations('nope:1 status:x model:a model:b started_after:"x"')
    assert [validation.field for validation in found] == ["model", "status", "started_after", "nope"]


def test_models_and_clients():
    """Lists of names take the beginning of a name, bare or by key, and nothing else."""
    assert parse_models("gpt") == parse_models("model:gpt") == parse_models("MODEL:gpt") == "gpt"
    assert parse_clients('"Claude C"') == parse_clients("Claude C") == parse_clients('client:"Claude C"') == "Claude C"
    assert [validation.field for validation in validations("client:x", parse_models)] == ["client"]
    assert [validation.field for validation in validations("a model:b", parse_models)] == ["model"]


@given(st.text(alphabet='ab:" \t\\é', max_size=30))
def test_any_text_is_read_or_refused(q):
    """No text makes the parser fail in another way."""
    for parse in (parse_interceptions, parse_models, parse_clients):
        try:
            parse(q)
        except InvalidSearch as error:
            assert error.validations
            assert str(error)


@given(st.text(alphabet=st.characters(exclude_characters='"', exclude_categories=["Cs"]), min_size=1))
def test_a_quoted_value_is_taken_as_it_is(value):
    """Whatever stands in quotes is the value, to the letter."""
    assert parse_interceptions(f'model:"{value}"').where.model == value
