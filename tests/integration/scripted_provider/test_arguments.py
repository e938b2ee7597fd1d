"""Arguments of scripted tool calls fit the tool's JSON schema."""

from typing import Any

import jsonschema_rs
import pytest

from aibridge_adapters.scripted_provider import OfferedTool
from aibridge_adapters.scripted_provider.arguments import arguments_for, example

TEXT = {"type": "string"}


def an_object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), **more}


@pytest.mark.parametrize(
    "schema",
    [
        an_object({}),
        an_object({"file_path": TEXT, "anything": TEXT}, additionalProperties=False),
        an_object({"limit": {"type": "integer", "minimum": 5}, "share": {"type": "number", "maximum": 0.5}}),
        an_object({"delay": {"type": "integer", "exclusiveMinimum": 60, "maximum": 3600}}),
        an_object({"mode": {"type": "string", "enum": ["keep", "remove"]}, "kind": {"const": 3}}),
        an_object({"query": {"type": "string", "minLength": 40}, "label": {"type": "string", "maxLength": 3}}),
        an_object({"when": {"type": "string", "format": "date-time"}, "to": {"type": "string", "format": "email"}}),
        an_object({"maybe": {"type": ["null", "string"]}, "either": {"anyOf": [{"type": "integer"}, TEXT]}}),
        an_object({"items": {"type": "array", "items": an_object({"id": TEXT}), "minItems": 2}}),
        an_object({"command": {"type": "array", "items": TEXT}}),
        an_object({"node": {"$ref": "#/$defs/node"}}, **{"$defs": {"node": an_object({"name": TEXT})}}),
        {"type": "object", "allOf": [an_object({"a": TEXT}), an_object({"b": {"type": "boolean"}})]},
        an_object({"whatever": True}),
    ],
)
def test_an_example_is_valid(schema: dict[str, Any]) -> None:
    """A validator agrees."""
    jsonschema_rs.validator_for(schema).validate(example(schema))


def test_only_what_is_required_is_given() -> None:
    """The fewer arguments, the less a real agent does."""
    assert example({"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a"]}) == {"a": "scripted a"}


def test_a_schema_that_refers_to_itself_ends() -> None:
    """The depth is bounded."""
    tree = {"$ref": "#/$defs/tree", "$defs": {"tree": an_object({"child": {"$ref": "#/$defs/tree"}})}}
    assert "child" in example(tree)


def test_a_command_only_prints() -> None:
    """Agents run it for real."""
    for name in ("command", "cmd"):
        arguments = arguments_for(OfferedTool(name="Bash", schema=an_object({name: TEXT})))
        assert arguments == {name: "echo hello from the scripted provider"}


def test_a_custom_tool_gets_a_text() -> None:
    """For Codex's `exec`, JavaScript that works."""
    assert arguments_for(OfferedTool(name="exec", schema=None)) == 'text("hello from the scripted provider");'
