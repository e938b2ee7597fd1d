"""Arguments that fit a tool's JSON schema, always the same and harmless where the tool really runs.

Belongs here: values by property name, then by schema. Never: which tool is called (magic). What is understood of JSON
Schema: `$ref` within the document, `const`, `enum`, `default`, `examples`, `anyOf`, `oneOf`, `allOf`, `type`,
`properties`, `required`, `items`, `minItems`, `minLength`, both `minimum`s, both `maximum`s and the usual `format`s.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aibridge_adapters.scripted_provider.values import OfferedTool

Schema = Mapping[str, Any]

_BY_NAME: Mapping[str, Any] = {
    # A real agent runs what it is told to: these only print or read.
    "command": "echo hello from the scripted provider",
    "cmd": "echo hello from the scripted provider",
    "script": "echo hello from the scripted provider",
    "file_path": "README.md",
    "filePath": "README.md",
    "path": "README.md",
    "pattern": "README*",
    "query": "aibridge",
    "description": "A call by the scripted provider",
    # Names that never resolve (RFC 2606).
    "url": "https://example.invalid/",
    "city": "Utrecht",
    "location": "Utrecht",
}
"""Values for well-known property names, if the schema takes a text there."""

_COMMAND_WORDS: Mapping[str, Sequence[str]] = {
    "command": ("echo", "hello from the scripted provider"),
    "cmd": ("echo", "hello from the scripted provider"),
}
"""The same where a command is a list of words."""

_BY_FORMAT: Mapping[str, str] = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "ann@example.invalid",
    "time": "00:00:00Z",
    "uri": "https://example.invalid/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_CUSTOM_INPUTS: Mapping[str, str] = {
    # The custom tool of Codex runs JavaScript that has a function `text`.
    "exec": 'text("hello from the scripted provider");',
}

_MAX_DEPTH = 8


def arguments_for(tool: OfferedTool) -> Mapping[str, Any] | str:
    """Arguments that the tool accepts; a text for a custom tool."""
    if tool.schema is None:
        return _CUSTOM_INPUTS.get(tool.name, "hello from the scripted provider")
    value = example(tool.schema)
    return value if isinstance(value, Mapping) else {}


def example(schema: Schema) -> Any:
    """A value that fits the schema: required properties only."""
    return _Builder(schema).value(schema, "", 0)


class _Builder:
    """`root` is what a `$ref` points into."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return {} if schema is True else None
        schema = self._resolved(schema, depth)
        for fixed in ("const", "default"):
            if fixed in schema:
                return schema[fixed]
        for several in ("enum", "examples"):
            if schema.get(several):
                return schema[several][0]
        for choice in ("anyOf", "oneOf"):
            if schema.get(choice) and "properties" not in schema:
                return self.value(schema[choice][0], name, depth + 1)
        return self._by_type(schema, name, depth)

    def _resolved(self, schema: Schema, depth: int) -> Schema:
        """With its `$ref` followed and its `allOf` merged in."""
        found: Any = self._root
        if isinstance(pointer := schema.get("$ref"), str):
            for key in pointer.removeprefix("#").strip("/").split("/"):
                name = key.replace("~1", "/").replace("~0", "~")
                found = found.get(name, {}) if name and isinstance(found, Mapping) else found
            return self._resolved(found, depth + 1) if depth <= _MAX_DEPTH else {}
        return _merged([schema, *(self._resolved(part, depth + 1) for part in schema.get("allOf", ()))])

    def _by_type(self, schema: Schema, name: str, depth: int) -> Any:
        match _type_of(schema):
            case "object":
                properties = schema.get("properties") or {}
                return {key: self.value(properties.get(key, True), key, depth + 1) for key in _required(schema)}
            case "array":
                if name in _COMMAND_WORDS:
                    return list(_COMMAND_WORDS[name])
                return [self.value(schema.get("items", {}), name, depth + 1)] * schema.get("minItems", 0)
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return False
            case "null":
                return None
            case _:
                return _text(schema, name)


def _type_of(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    return kind if isinstance(kind, str) else "object" if "properties" in schema else "string"


def _required(schema: Schema) -> Sequence[str]:
    names = schema.get("required")
    return names if isinstance(names, list) else ()


def _number(schema: Schema) -> Any:
    """1, moved into the range; an exclusive bound is passed by one."""
    value = max(1, schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
    return min(value, schema.get("maximum", value), schema.get("exclusiveMaximum", value + 1) - 1)


def _text(schema: Schema, name: str) -> str:
    text = _BY_FORMAT.get(str(schema.get("format"))) or _BY_NAME.get(name, f"scripted {name}".strip())
    return str(text).ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _merged(schemas: Sequence[Schema]) -> Schema:
    merged: dict[str, Any] = {}
    for schema in schemas:
        for key, value in schema.items():
            if key == "properties":
                merged[key] = merged.get(key, {}) | value
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged.setdefault(key, value)
    return merged
