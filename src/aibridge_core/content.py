"""Which parts of a record are content, and how a record looks without it.

Content is what people wrote and models thought: prompts, tool arguments, reasoning. Belongs here: the table of those
fields, and the mark that says why one is not there. Never: when content is left out or erased. Names of tools, ids and
token counts are not content: what was done stays known when what was said is not.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs

from aibridge_core.records import Fact, ModelThought, PromptUsage, ToolUsage

CONTENT_FIELDS: Mapping[type[Fact], str] = {PromptUsage: "prompt", ToolUsage: "arguments", ModelThought: "content"}
"""The field that holds the content of a fact; kinds of facts that aren't here have none."""

CONTENT_MARK = "content"
"""Key in a fact's metadata; its value is a `ContentState`. A fact without it is whole."""


class ContentState(StrEnum):
    """Why a fact doesn't hold its content."""

    HASHED = "hashed"
    """Its keyed hash stands in its place, so that equal contents can be told equal."""
    NONE = "none"
    """It was not kept."""
    PURGED = "purged"
    """It was kept, and its time is over."""


def content_of(fact: Fact) -> str:
    """The content; empty if there is none."""
    field = CONTENT_FIELDS.get(type(fact))
    text: str = getattr(fact, field) if field else ""
    return text


def with_content(fact: Fact, text: str, state: ContentState) -> Fact:
    """The fact with `text` in place of its content, and a mark that says why. One without content stays as it is."""
    if not content_of(fact):
        return fact
    changes: dict[str, Any] = {CONTENT_FIELDS[type(fact)]: text}
    return attrs.evolve(fact, metadata={**fact.metadata, CONTENT_MARK: state.value}, **changes)
