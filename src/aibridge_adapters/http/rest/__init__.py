"""Reads the audit trail back over HTTP. Start reading in `api.py`.

Belongs here: what others may import. Never: changing what is there; the one POST adds what
firewalls saw.
"""

from aibridge_adapters.http.rest.api import REST_ROOTS, RestApi, rest_app
from aibridge_adapters.http.rest.catalogue import ProviderInfo

__all__ = ["REST_ROOTS", "ProviderInfo", "RestApi", "rest_app"]
