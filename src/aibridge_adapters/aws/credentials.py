"""The gateway's credentials on AWS: static ones, those of the default chain, or those of a role taken with them.

Belongs here: finding them, and fresh ones before they expire. Never: a signature. botocore blocks while it asks the
network (instance metadata, STS, SSO), so it does that in a thread. Requests wait for it at the start only, and when
nothing is left that AWS would take; before that, fresh credentials are fetched beside them.

Source: docs.aws.amazon.com/sdkref, "Standardized credential providers"; AWS STS, "AssumeRole".
"""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
    ReadOnlyCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from aibridge_adapters.config import BedrockSettings
from aibridge_core.errors import NoUpstreamCredential, UpstreamTimeout

PATIENCE: Final = 30.0
"""Longest wait for credentials, in seconds."""
RENEWED_BEFORE: Final = 15 * 60
"""Seconds before credentials expire, from which on others are fetched; botocore's own advice."""
USED_UNTIL: Final = 60
"""Seconds before credentials expire, until which they are used: a signature has to arrive in time."""
RENEWAL_PAUSE: Final = 15.0
"""Seconds between two tries to fetch others."""
SESSION_NAME: Final = "aibridge"
"""How the gateway calls itself in a role; CloudTrail shows it."""

_log = logging.getLogger("aibridge.aws")


class AwsCredentials:
    """Credentials that are fresh whenever they are asked for. Belongs to one event loop."""

    def __init__(self, settings: BedrockSettings, *, ca_bundle: Path | None = None) -> None:
        self.key_id = settings.access_key
        """Of the credentials that were used last; empty while they aren't known."""
        self._settings = settings
        self._ca_bundle = ca_bundle
        self._found: Credentials | None = None
        self._last: ReadOnlyCredentials | None = None
        self._finding = anyio.Lock()
        self._renewing: Thread | None = None
        self._next_renewal = 0.0

    @property
    def tokens(self) -> Sequence[str]:
        """The session's token of the credentials that were used last, if they have one."""
        return [self._last.token] if self._last and self._last.token else []

    async def current(self) -> ReadOnlyCredentials:
        """Raises NoUpstreamCredential, UpstreamTimeout."""
        if self._last is None or _is_stale(self._found, USED_UNTIL):
            async with self._finding:
                frozen = await self._refreshed()
        else:
            frozen = self._last
            if _is_stale(self._found, RENEWED_BEFORE):
                self._renew_aside()
        self.key_id = frozen.access_key
        return frozen

    def _renew_aside(self) -> None:
        """One thread at a time, not one for each request."""
        now = anyio.current_time()
        if now < self._next_renewal or (self._renewing and self._renewing.is_alive()):
            return
        self._next_renewal = now + RENEWAL_PAUSE
        self._renewing = Thread(target=self._renew, name="aibridge-aws-credentials", daemon=True)
        self._renewing.start()

    def _renew(self) -> None:
        """Blocks, in a thread of its own."""
        try:
            self._find()
        except Exception as error:  # whatever a credential provider throws: those in use are still good
            _log.warning("AWS credentials are not renewed yet", extra={"reason": str(error)})

    async def _refreshed(self) -> ReadOnlyCredentials:
        try:
            with anyio.fail_after(PATIENCE):
                return await run_sync(self._find, abandon_on_cancel=True)
        except TimeoutError:
            raise UpstreamTimeout(f"AWS gave the gateway no credentials within {PATIENCE:g} s") from None
        except (BotoCoreError, ClientError) as error:
            _log.error("no AWS credentials", extra={"reason": str(error)})
            raise NoUpstreamCredential(f"AWS gave the gateway no credentials ({_reason(error)}); see its log") from None

    def _find(self) -> ReadOnlyCredentials:
        """Blocks. Raises NoUpstreamCredential, and botocore's errors."""
        found = self._found or self._source()
        if found is None:
            raise NoUpstreamCredential("no AWS credentials found: set BEDROCK_ACCESS_KEY, or give the gateway a role")
        frozen: ReadOnlyCredentials = found.get_frozen_credentials()
        self._found, self._last = found, frozen
        return frozen

    def _source(self) -> Credentials | None:
        settings = self._settings
        session = Session(profile=settings.profile or None)
        if self._ca_bundle:
            session.set_config_variable("ca_bundle", str(self._ca_bundle))
        if settings.access_key:
            source = Credentials(settings.access_key, settings.access_key_secret, settings.session_token or None)
        else:
            source = session.get_credentials()
        return self._role(session, source) if source and settings.role_arn else source

    def _role(self, session: Session, source: Credentials) -> Credentials:
        settings = self._settings
        extra: dict[str, Any] = {"RoleSessionName": SESSION_NAME}
        if settings.external_id:
            extra["ExternalId"] = settings.external_id
        fetcher = AssumeRoleCredentialFetcher(
            partial(session.create_client, region_name=settings.region), source, settings.role_arn, extra_args=extra
        )
        return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")


def _is_stale(found: Credentials | None, seconds: int) -> bool:
    """Whether they expire within so many seconds. Static ones never do."""
    return isinstance(found, RefreshableCredentials) and bool(found.refresh_needed(refresh_in=seconds))


def _reason(error: BotoCoreError | ClientError) -> str:
    """What may be told to everybody: AWS's messages name accounts and roles."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "refused"))
    return type(error).__name__
