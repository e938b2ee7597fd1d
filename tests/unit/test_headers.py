"""Headers pass both ways unless a row of the deny-list takes them out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.headers import NO_FILTER, NOT_UPSTREAM, HeaderFilter, accepted_codings, for_client, for_upstream
from aibridge_core.wire import Headers


def names(headers: Headers) -> list[bytes]:
    return [name for name, _ in headers]


def test_unknown_headers_pass_with_order_and_repetitions() -> None:
    """What nobody knows yet reaches the provider as it was sent."""
    headers = ((b"x-future", b"1"), (b"anthropic-beta", b"a"), (b"x-future", b"2"))
    assert for_upstream(headers, central_key=True) == headers
    assert for_client(headers) == headers


@pytest.mark.parametrize("name", sorted(NOT_UPSTREAM))
def test_denied_headers_never_go_upstream(name: bytes) -> None:
    """Every row of the table is honoured."""
    assert for_upstream(((name, b"v"), (b"x-kept", b"v")), central_key=False) == ((b"x-kept", b"v"),)


def test_headers_named_by_connection_are_hop_by_hop() -> None:
    """RFC 9110, section 7.6.1: what Connection names ends at this hop, both ways."""
    headers = ((b"connection", b"close, X-Hop"), (b"x-hop", b"1"), (b"x-end", b"1"))
    assert names(for_upstream(headers, central_key=True)) == [b"x-end"]
    assert names(for_client(headers)) == [b"x-end"]


def test_nobody_but_the_gateway_says_who_acts() -> None:
    """Actor headers of a client are dropped, whatever follows the prefix."""
    assert for_upstream(((b"x-ai-bridge-actor-metadata-username", b"root"),), central_key=False) == ()


def test_the_workspace_is_the_operators_choice_with_a_central_key() -> None:
    """A user's own key comes with the user's own workspace."""
    headers = ((b"anthropic-workspace-id", b"w"),)
    assert for_upstream(headers, central_key=True) == ()
    assert for_upstream(headers, central_key=False) == headers


def test_what_speaks_for_the_providers_origin_stays_there() -> None:
    """Rate limits and request ids pass, Alt-Svc and HSTS do not."""
    headers = ((b"alt-svc", b"h3"), (b"strict-transport-security", b"x"), (b"retry-after", b"7"), (b"request-id", b"r"))
    assert names(for_client(headers)) == [b"retry-after", b"request-id"]


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        ("zstd,gzip,deflate,br", "zstd, gzip, deflate, br"),
        ("gzip;q=0.5, dcb, *;q=0", "gzip;q=0.5, *;q=0"),
        ("*", "identity"),
        ("", "identity"),
        ("compress", "identity"),
        ("GZip ; q=1", "GZip ; q=1"),
    ],
)
def test_only_readable_codings_are_offered_upstream(offered: str, sent: str) -> None:
    """What the gateway can't decode it doesn't ask for; what it can keeps its spelling and weight."""
    assert accepted_codings(offered, ["gzip", "deflate", "br", "zstd"]) == sent


@given(st.lists(st.sampled_from(["gzip", "br", "x", "identity", "*"]), max_size=5))
def test_nothing_is_offered_that_the_client_did_not_offer(offered: list[str]) -> None:
    """Apart from identity, which everyone takes."""
    sent = accepted_codings(",".join(offered), ["gzip", "br"]).split(", ")
    assert set(sent) <= {*offered, "identity"} & {"gzip", "br", "identity"}


BETAS = ((b"x-app", b"cli"), (b"anthropic-beta", b"a-1, b-2,c-3"), (b"anthropic-beta", b"b-2"))


@pytest.mark.parametrize(
    ("leaves_out", "left"),
    [
        (NO_FILTER, BETAS),
        (HeaderFilter(betas=frozenset({"z-9"})), BETAS),
        (HeaderFilter(betas=frozenset({"b-2"})), (BETAS[0], (b"anthropic-beta", b"a-1,c-3"))),
        (HeaderFilter(betas=frozenset({"a-1", "c-3"})), (BETAS[0], (b"anthropic-beta", b"b-2"), BETAS[2])),
        (HeaderFilter(names=frozenset({b"anthropic-beta"})), BETAS[:1]),
        (HeaderFilter(names=frozenset({b"x-app"}), betas=frozenset({"a-1", "b-2", "c-3"})), ()),
    ],
)
def test_what_a_provider_refuses_is_left_out(leaves_out: HeaderFilter, left: Headers) -> None:
    """Whole headers, or single betas; a header in which nothing is left goes, and one that isn't concerned stays."""
    assert leaves_out.apply(BETAS) == left
