"""Values that are copied by name on the way of each request: a field that is added later must be copied, too."""

from typing import Any

import pytest
from attrs import evolve, fields_dict

from aibridge_core.dialects.api import RequestView
from aibridge_core.tools import Toolbox
from aibridge_core.wire import UpstreamRequest


def filled(kind: Any) -> Any:
    """A value with something of its own in every field; nothing here looks at types."""
    return kind(**{name: object() for name in fields_dict(kind)})


@pytest.mark.parametrize(
    ("kind", "copied"),
    [
        (RequestView, lambda view, body: view.having(body)),
        (UpstreamRequest, lambda request, body: request.having(body=body)),
    ],
)
def test_only_the_body_changes(kind: Any, copied: Any) -> None:
    """All other fields are the ones that were there."""
    before = filled(kind)
    assert copied(before, b"{}") == evolve(before, body=b"{}")


def test_only_the_headers_change() -> None:
    """The body among all that stays."""
    before = filled(UpstreamRequest)
    assert before.having(headers=()) == evolve(before, headers=())


def test_only_what_is_hidden_changes() -> None:
    """The tools and for whom they are stay."""
    before, hidden = filled(Toolbox), object()
    assert before.hiding(hidden) == evolve(before, hidden=hidden)
