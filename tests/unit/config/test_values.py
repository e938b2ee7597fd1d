"""Reading single values. No files here; those are in tests/integration/config."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.kinds import Kind
from aibridge_adapters.config_sources.values import LONGEST_DURATION, BadValue, show_duration, show_size

READ = [
    (kinds.ADDRESS, "127.0.0.1:4001", "127.0.0.1:4001"),
    (kinds.ADDRESS, " localhost:0 ", "localhost:0"),
    (kinds.ADDRESS, "[::1]:65535", "[::1]:65535"),
    (kinds.ADDRESS, "gateway.example.com:443", "gateway.example.com:443"),
    (kinds.SWITCH, "true", True),
    (kinds.SWITCH, "ON", True),
    (kinds.SWITCH, "1", True),
    (kinds.SWITCH, "no", False),
    (kinds.SWITCH, False, False),
    (kinds.DURATION, "90", 90.0),
    (kinds.DURATION, "0", 0.0),
    (kinds.DURATION, 2.5, 2.5),
    (kinds.DURATION, 10, 10.0),
    (kinds.DURATION, "10s", 10.0),
    (kinds.DURATION, "250ms", 0.25),
    (kinds.DURATION, "5m", 300.0),
    (kinds.DURATION, "1h30m", 5400.0),
    (kinds.DURATION, "60d", 5184000.0),
    (kinds.DURATION, "12w", 7257600.0),
    (kinds.BODY_SIZE, "1000000", 1000000),
    (kinds.BODY_SIZE, 1024, 1024),
    (kinds.BODY_SIZE, "32MiB", 33554432),
    (kinds.BODY_SIZE, "1.5 kib", 1536),
    (kinds.BODY_SIZE, "2MB", 2000000),
    (kinds.BODY_SIZE, "1GiB", 1073741824),
    (kinds.BASE_URL, "https://api.example.com", "https://api.example.com"),
    (kinds.BASE_URL, "http://[::1]:8000/v1/", "http://[::1]:8000/v1/"),
    (kinds.DATABASE_URL, "sqlite:////var/lib/aibridge.db", "sqlite:////var/lib/aibridge.db"),
    (kinds.DATABASE_URL, "sqlite:///:memory:", "sqlite:///:memory:"),
    (kinds.choice("debug", "info"), "INFO", "info"),
    (kinds.secret(least=1), " sk-key ", "sk-key"),
]

REFUSED = [
    (kinds.ADDRESS, "4001"),
    (kinds.ADDRESS, "localhost"),
    (kinds.ADDRESS, ":4001"),
    (kinds.ADDRESS, "localhost:65536"),
    (kinds.ADDRESS, "localhost:-1"),
    (kinds.ADDRESS, "::1:4001"),
    (kinds.ADDRESS, "[::zz]:4001"),
    (kinds.ADDRESS, "[127.0.0.1]:4001"),
    (kinds.ADDRESS, "300.0.0.1:4001"),
    (kinds.ADDRESS, "http://localhost:4001"),
    (kinds.ADDRESS, "local host:4001"),
    (kinds.ADDRESS, 4001),
    (kinds.SWITCH, "maybe"),
    (kinds.SWITCH, 1),
    (kinds.DURATION, "soon"),
    (kinds.DURATION, "-1"),
    (kinds.DURATION, "10 s"),
    (kinds.DURATION, "s"),
    (kinds.DURATION, "1e3"),
    (kinds.DURATION, "nan"),
    (kinds.DURATION, float("inf")),
    (kinds.DURATION, True),
    (kinds.DURATION, "3651d"),
    (kinds.DURATION, "9" * 5000),
    (kinds.DURATION, "٣"),
    (kinds.BODY_SIZE, "0"),
    (kinds.BODY_SIZE, "32M"),
    (kinds.BODY_SIZE, "2GiB"),
    (kinds.BODY_SIZE, "1.5"),
    (kinds.BODY_SIZE, "-5"),
    (kinds.BODY_SIZE, "9" * 5000),
    (kinds.BODY_SIZE, ["32MiB"]),
    (kinds.BASE_URL, "api.example.com"),
    (kinds.BASE_URL, "ftp://api.example.com"),
    (kinds.BASE_URL, "https://"),
    (kinds.BASE_URL, "https:///v1"),
    (kinds.BASE_URL, "https://user:pass@api.example.com"),
    (kinds.BASE_URL, "https://@api.example.com"),
    (kinds.BASE_URL, "https://api.example.com/?api-version=1"),
    (kinds.BASE_URL, "https://api.example.com/#top"),
    (kinds.BASE_URL, "https://api.example.com:99999/"),
    (kinds.BASE_URL, "https://api.example\n.com/"),
    (kinds.BASE_URL, "https://[::1/"),
    (kinds.DATABASE_URL, "sqlite:///"),
    (kinds.DATABASE_URL, "sqlite://"),
    (kinds.DATABASE_URL, "/var/lib/aibridge.db"),
    (kinds.DATABASE_URL, "mysql://localhost/x"),
    (kinds.DATABASE_URL, "postgresql:/localhost/x"),
    (kinds.CONNECTIONS, "2.5"),
    (kinds.CONNECTIONS, "-5"),
    (kinds.CONNECTIONS, True),
    (kinds.CONNECTIONS, "101"),
    (kinds.choice("debug", "info"), "loud"),
    (kinds.secret(least=1), "two words"),
    (kinds.secret(least=1), "schlüssel"),
    (kinds.secret(least=1), "line\nbreak"),
    (kinds.secret(least=16), "fifteen-letters"),
    (kinds.secret(least=1), 5),
]


def shown(part: object) -> str:
    """A test id that is the same in every process."""
    return part.metavar if isinstance(part, Kind) else ascii(part)[:40]


@pytest.mark.parametrize(("kind", "raw", "value"), READ, ids=shown)
def test_reads(kind: Kind, raw: object, value: object) -> None:
    """A text, or a value of TOML, becomes the value that it stands for."""
    read = kind.read(raw)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(("kind", "raw"), REFUSED, ids=shown)
def test_refuses(kind: Kind, raw: object) -> None:
    """What is no value of its kind is refused, never guessed at."""
    with pytest.raises(BadValue):
        kind.read(raw)


@pytest.mark.parametrize(
    ("kind", "raw", "reason"),
    [
        (kinds.ADDRESS, ":4001", "the host is missing"),
        (kinds.ADDRESS, "::1:4001", "in brackets"),
        (kinds.ADDRESS, "localhost:70000", "no port 70000"),
        (kinds.DATABASE_URL, "postgresql://", "it names no database"),
        (kinds.CONNECTIONS, "1", "too small"),
        (kinds.BASE_URL, "https://user:pass@example.com", "credentials don't belong in a base URL"),
        (kinds.BODY_SIZE, "2GiB", "too large"),
    ],
    ids=shown,
)
def test_says_why(kind: Kind, raw: str, reason: str) -> None:
    """A mistake that is easily made gets a reason of its own."""
    with pytest.raises(BadValue, match=reason):
        kind.read(raw)


@pytest.mark.parametrize(
    ("url", "shown_url"),
    [
        ("postgresql://ann:hunter2@db:5432/trail", "postgresql://ann:...@db:5432/trail"),
        ("postgresql://ann:hun#?@ter2@db/trail", "postgresql://ann:...@db/trail"),
        ("postgresql://ann:hunter2/@db/trail", "postgresql://ann:...@db/trail"),
        ("postgres://:hunter2@/trail", "postgres://:...@/trail"),
        (
            "postgresql:///trail?host=/run&password=hunter2&sslpassword=hunter2",
            "postgresql:///trail?host=/run&password=",
        ),
        ("postgresql://ann@[::1]:5432/trail?sslmode=verify-full", None),
        ("postgresql://db:5432/trail", None),
        ("sqlite:////srv/a:b@c.db", None),
    ],
)
def test_shown_database_urls_hold_no_password(url: str, shown_url: str | None) -> None:
    """Passwords are left out wherever libpq takes one; the rest stays, so that it can be told which database it is."""
    text = kinds.DATABASE_URL.show(kinds.DATABASE_URL.read(url))
    assert text.startswith(shown_url) if shown_url else text == url
    assert "hunter2" not in text
    assert kinds.DATABASE_URL.plain(url) == text


@given(st.integers(min_value=1, max_value=2**30))
def test_a_shown_size_reads_as_itself(size: int) -> None:
    """A size that was shown can be written into a file again."""
    assert kinds.BODY_SIZE.read(show_size(size)) == size


@given(st.integers(min_value=0, max_value=int(LONGEST_DURATION) * 1000))
def test_a_shown_duration_reads_as_itself(milliseconds: int) -> None:
    """A duration that was shown can be written into a file again."""
    assert kinds.DURATION.read(show_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-4)


@given(st.text())
def test_no_text_breaks_a_reader(text: str) -> None:
    """Whatever stands in a variable, a reader gives a value or refuses."""
    for kind in (kinds.ADDRESS, kinds.BASE_URL, kinds.BODY_SIZE, kinds.DURATION, kinds.SWITCH, kinds.DATABASE_URL):
        try:
            kind.read(text)
        except BadValue:
            continue
