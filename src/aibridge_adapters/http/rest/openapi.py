"""The API's description, OpenAPI 3.1, made of the operations and shapes that serve it.

Belongs here: what all operations have in common (security, error answers) and how the document is put together.
Never: a fact about a single operation.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from aibridge_adapters.http.rest import shapes
from aibridge_adapters.http.rest.operations import Call, Operation, json_response
from aibridge_adapters.http.rest.parameters import Parameter

VERSION = "2"
"""Of the API, as in its mount points `/api/v2/...`; additions keep it."""

COMMON_ERRORS: Mapping[int, str] = {
    400: "A parameter is wrong or not known here; `detail` or `validations` say how.",
    401: "The token is missing or not valid.",
    403: "The token is valid, but its user may not do this.",
    500: "A defect of the gateway; `detail` names the id under which its log has the reason.",
    503: "The database does not answer.",
}

ERROR_HEADERS: Mapping[int, str] = {401: "WWW-Authenticate", 503: "Retry-After"}

PATH_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "An interception's id.",
    "schema": {"type": "string", "format": "uuid"},
}

SECURITY_SCHEMES = {
    "sessionToken": {"type": "apiKey", "in": "header", "name": "Coder-Session-Token"},
    "bearerToken": {"type": "http", "scheme": "bearer"},
}


class OpenApi:
    """Serves the description of the given operations and of itself."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operation = Operation(
            name="getOpenApi",
            path="/openapi.json",
            summary="Read this description",
            handler=self.read,
            result=dict[str, Any],
        )
        self._document = document([*operations, self.operation])

    async def read(self, call: Call) -> Response:
        """The document, its server being where this API is mounted."""
        return json_response({**self._document, "servers": [{"url": quote(call.root) or "/"}]})


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole description."""
    types = [shapes.Error, *(operation.result for operation in operations)]
    (error, *results), components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aibridge",
            "version": VERSION,
            "description": "Reads the audit trail: who asked which model for what, by which client, and what it did.",
        },
        "security": [{name: []} for name in SECURITY_SCHEMES],
        "paths": {
            operation.path: {operation.method.lower(): _operation(operation, result, error)}
            for operation, result in zip(operations, results, strict=True)
        },
        "components": {"securitySchemes": SECURITY_SCHEMES, "schemas": components},
    }


def _operation(operation: Operation, result: Mapping[str, Any], error: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [
            *([PATH_ID] if "{id}" in operation.path else []),
            *(_parameter(parameter) for parameter in operation.parameters),
        ],
        "responses": {
            "200": {"description": "Success.", "content": {"application/json": {"schema": result}}},
            **{
                str(status): _error(status, meaning, error)
                for status, meaning in sorted({**COMMON_ERRORS, **operation.errors}.items())
            },
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "description": operation.body.description,
            "required": True,
            "content": {operation.body.media_type: {"schema": {"type": "string"}}},
        }
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "schema": parameter.schema,
        "required": parameter.required,
        "allowEmptyValue": not parameter.required,  # as if it were absent
    }
    return {**described, "example": parameter.example} if parameter.example else described


def _error(status: int, meaning: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": meaning, "content": {"application/json": {"schema": schema}}}
    if name := ERROR_HEADERS.get(status):
        answer["headers"] = {name: {"schema": {"type": "string"}}}
    return answer
