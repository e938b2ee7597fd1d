"""What an error answer says becomes one error type and one short message."""

import pytest

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.failures import error_object, failure_of_error, failure_of_status, type_of_status
from aibridge_core.records import MAX_ERROR_MESSAGE, ErrorType


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ErrorType.BAD_REQUEST),
        (401, ErrorType.UNAUTHORIZED),
        (403, ErrorType.UNAUTHORIZED),
        (404, ErrorType.BAD_REQUEST),
        (408, ErrorType.TIMEOUT),
        (413, ErrorType.BAD_REQUEST),
        (429, ErrorType.RATE_LIMITED),
        (499, ErrorType.BAD_REQUEST),
        (500, ErrorType.SERVER_ERROR),
        (502, ErrorType.SERVER_ERROR),
        (503, ErrorType.OVERLOADED),
        (504, ErrorType.TIMEOUT),
        (529, ErrorType.OVERLOADED),
        (599, ErrorType.SERVER_ERROR),
    ],
)
def test_every_error_status_has_a_type(status: int, expected: ErrorType) -> None:
    """The type is the field's name for the status, else whose fault it is."""
    assert type_of_status(status) is expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}', "Slow down"),
        (b'{"error":"Slow down"}', "Slow down"),
        (b'{"error":{"message":"half \\ud83d"}}', "half \ufffd"),
        (b'{"error":{"message":null,"type":"x"}}', '{"error":{"message":null,"type":"x"}}'),
        (b'{"error":{"message":""}}', '{"error":{"message":""}}'),
        (b'{"detail":"Not here"}', '{"detail":"Not here"}'),
        (b'[{"error":{"message":"in a list"}}]', '[{"error":{"message":"in a list"}}]'),
        (b"\n <html>Too many</html>\n", "<html>Too many</html>"),
        (b"caf\xe9", "caf\ufffd"),
        (b"", "HTTP status 429"),
        (b" \n", "HTTP status 429"),
        (b"[" * 100_000, "[" * MAX_ERROR_MESSAGE),
    ],
)
def test_the_message_of_an_error_answer(body: bytes, message: str) -> None:
    """It is what the body names so, else the beginning of its text, else the status."""
    assert failure_of_status(429, body) == Failed(ErrorType.RATE_LIMITED, message)


@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_a_long_text_is_cut_by_characters(letter: str) -> None:
    """Whole characters are kept, as many as a record holds."""
    assert failure_of_status(500, letter.encode() * 5000).message == letter * MAX_ERROR_MESSAGE


TYPES = {"overloaded_error": ErrorType.OVERLOADED, "slow_down": ErrorType.RATE_LIMITED}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "overloaded_error", "message": "Busy"}, Failed(ErrorType.OVERLOADED, "Busy")),
        ({"type": "error", "code": "slow_down", "message": "Wait"}, Failed(ErrorType.RATE_LIMITED, "Wait")),
        ({"type": "new_error", "message": "?"}, Failed(ErrorType.UNKNOWN, "?")),
        ({"type": "overloaded_error"}, Failed(ErrorType.OVERLOADED, "overloaded_error")),
        ({"type": ["a"], "code": 7, "message": {}}, Failed(ErrorType.UNKNOWN, "['a']")),
        ({}, Failed(ErrorType.UNKNOWN, "unknown error")),
        ({"message": "x" * 5000}, Failed(ErrorType.UNKNOWN, "x" * MAX_ERROR_MESSAGE)),
    ],
)
def test_an_error_object_inside_an_answer(error: dict[str, object], expected: Failed) -> None:
    """A known type or code gives the error type; without a message its name has to do."""
    assert failure_of_error(error, TYPES) == expected


def test_what_holds_no_error_object() -> None:
    """Anything else gives none, and never raises."""
    assert [error_object(body) for body in (b"", b"null", b"7", b'{"error":7}', b"{", b"\xff")] == [None] * 6
