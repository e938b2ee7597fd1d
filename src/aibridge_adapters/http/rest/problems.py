"""Everything the REST API answers that isn't a success, in one shape: message, detail, validations.

Belongs here: the texts, statuses and headers of errors, and how foreign exceptions become one of them. Never: a
traceback, a token or a query's inner error in an answer; those go to the log at most.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from aibridge_adapters.http.rest.shapes import Error, Validation
from aibridge_core.errors import BridgeError, Forbidden, StoreUnavailable, Unauthenticated

logger = logging.getLogger("aibridge.rest")

INVALID_PARAMETERS = "Query parameters have invalid values."
RETRY_AFTER = {"retry-after": "1"}
"""In seconds; what a database needs to restart is unknown, so clients are only kept from hammering."""


class Problem(Exception):
    """An error answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        detail: str = "",
        validations: Sequence[Validation] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = Error(message=message, detail=detail, validations=list(validations))
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """As it goes out."""
        return Response(
            msgspec.json.encode(self.body), self.status, headers=self.headers, media_type="application/json"
        )


def invalid(message: str, *validations: Validation, detail: str = "") -> Problem:
    """400: the caller has to change its parameters."""
    return Problem(400, message, detail=detail, validations=validations)


def explain(error: Exception, method: str, path: str) -> Problem:
    """The answer to any exception; a defect is logged under an id that the answer names."""
    match error:
        case Problem():
            return error
        case BridgeError():
            return _refused(error)
        case StoreUnavailable():
            detail = "The database does not answer. Try again later."
            return Problem(503, "The audit trail is not available.", detail=detail, headers=RETRY_AFTER)
        case HTTPException(status_code=404):
            return Problem(404, "Not found.", detail=f"There is no {path} in this API. See openapi.json.")
        case HTTPException(status_code=405):
            allowed = (error.headers or {}).get("Allow", "GET, HEAD")
            detail = f"{path} is for {allowed}, not {method}."
            return Problem(405, "Method not allowed.", detail=detail, headers=error.headers)
    error_id = secrets.token_hex(8)
    logger.error("REST request failed: %s %r, error id %s", method, path, error_id, exc_info=error)
    return Problem(500, "Internal server error.", detail=f"Error id: {error_id}. The gateway's log has the reason.")


def _refused(error: BridgeError) -> Problem:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in error.headers}
    match error:
        case Unauthenticated():
            return Problem(401, "Authentication required.", detail=error.message, headers=headers)
        case Forbidden():
            return Problem(403, "Forbidden.", detail=error.message, headers=headers)
    return Problem(error.status, error.message, headers=headers)
