"""Reads the audit trail back over HTTP. Start reading in `api.py`.

Belongs here: what others may import. Never: changing what is there; one POST adds what firewalls saw, the
other one exchanges providers.
"""

from aibridge_adapters.http.rest.administration import NotReloaded, Reloaded
from aibridge_adapters.http.rest.api import REST_ROOTS, RestApi, rest_app
from aibridge_adapters.http.rest.catalogue import ProviderInfo

__all__ = ["REST_ROOTS", "NotReloaded", "ProviderInfo", "Reloaded", "RestApi", "rest_app"]
