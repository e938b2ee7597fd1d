"""Which models are behind inference profiles, asked of AWS once for each.

Belongs here: when to ask, how long to wait, what to keep. Never: the question (`aibridge_core.bedrock.profiles`).

A client may name any ARN. So what is kept is bounded, one question is asked at a time, nobody waits for long, and a
control plane that doesn't answer is left alone for a while; requests go on with the ARN as it is.
"""

import logging
from collections import OrderedDict
from typing import Final, TypeVar

import anyio
from attrs import define, field

from aibridge_core.actors import Credential
from aibridge_core.bedrock.profiles import may_be_asked_for, model_in, profile_request
from aibridge_core.dispatch import NO_RETRIES, Dispatch
from aibridge_core.errors import BridgeError
from aibridge_core.keys import OneCredential
from aibridge_core.observing import UNWATCHED
from aibridge_core.ports import Clock, Upstream

PATIENCE: Final = 2.0
"""Longest that a request waits for an answer, in seconds, once there are credentials to ask with."""
KEPT: Final = 256
"""Profiles that are remembered, and as many ARNs that stand for none."""
FORGIVEN_AFTER: Final = 300.0
"""Seconds after which an ARN that AWS didn't know, or didn't tell of, may be asked for again."""
REST: Final = 60.0
"""Seconds without questions after one that wasn't answered at all."""
_MOST: Final = 64 * 1024
"""Bytes of an answer that are read."""

_log = logging.getLogger("aibridge.aws")


T = TypeVar("T")


class NotAnswered(Exception):
    """AWS can't be asked now."""


@define(kw_only=True)
class AwsInferenceProfiles:
    """Implements `aibridge_core.bedrock.profiles.InferenceProfiles`. Belongs to one event loop."""

    control_url: str
    region: str
    """Empty: not known."""
    credential: Credential
    clock: Clock
    _found: OrderedDict[str, str] = field(factory=OrderedDict, init=False)
    """ARN -> model. What a profile stands for never changes."""
    _unknown: OrderedDict[str, float] = field(factory=OrderedDict, init=False)
    """ARN -> when it may be asked for again."""
    _resting_until: float = field(default=float("-inf"), init=False)
    _asking: anyio.Lock = field(factory=anyio.Lock, init=False)

    async def model_behind(self, arn: str, upstream: Upstream) -> str:
        """The foundation model's name; empty if it can't be known now. Waits `PATIENCE` at most, and never raises."""
        if model := self._found.get(arn):
            self._found.move_to_end(arn)
            return model
        if not may_be_asked_for(arn, self.region) or self._is_futile(arn):
            return ""
        if not await self._can_sign(arn):
            return ""
        asking = False
        with anyio.move_on_after(PATIENCE):
            async with self._asking:
                asking = True
                return self._found.get(arn) or await self._asked(arn, upstream)
        if asking:
            self._rest(f"no answer within {PATIENCE:g} s")
        return ""

    async def _can_sign(self, arn: str) -> bool:
        """Whether there are credentials; finding them may take longer, and the request itself needs them as well."""
        try:
            if self.credential.signer:
                await self.credential.signer.sign(profile_request(self.control_url, arn))
        except BridgeError:  # which the request is about to meet and tell
            return False
        return True

    def _is_futile(self, arn: str) -> bool:
        return self.clock.monotonic() < max(self._resting_until, self._unknown.get(arn, self._resting_until))

    async def _asked(self, arn: str, upstream: Upstream) -> str:
        """The one question at a time."""
        if self._is_futile(arn):  # by what those before us have learnt
            return ""
        try:
            model = await self._answer(arn, upstream)
        except (BridgeError, NotAnswered) as error:
            self._rest(str(error))
            return ""
        if model:
            _keep(self._found, arn, model)
        else:
            _keep(self._unknown, arn, self.clock.monotonic() + FORGIVEN_AFTER)
        return model

    def _rest(self, reason: str) -> None:
        self._resting_until = self.clock.monotonic() + REST
        _log.warning("AWS doesn't say which models are behind inference profiles", extra={"reason": reason})

    async def _answer(self, arn: str, upstream: Upstream) -> str:
        """Empty if AWS has none, or tells none to us. Raises NotAnswered, and what an upstream and a signer raise."""
        keys = OneCredential(self.credential)
        dispatch = Dispatch(upstream=upstream, keys=keys, retries=NO_RETRIES, clock=self.clock, watch=UNWATCHED)
        async with dispatch.call(profile_request(self.control_url, arn)) as answer:
            body = bytearray()
            async for piece in answer.chunks():
                body += piece
                if len(body) > _MOST:
                    raise NotAnswered(f"an answer of more than {_MOST} bytes")
        status = answer.head.status
        if status == 429 or status >= 500:
            raise NotAnswered(f"status {status}")
        if status != 200:
            _log.warning("AWS tells no model behind an inference profile", extra={"profile": arn, "status": status})
        return model_in(bytes(body)) if status == 200 else ""


def _keep(kept: OrderedDict[str, T], name: str, value: T) -> None:
    kept[name] = value
    if len(kept) > KEPT:
        kept.popitem(last=False)
