"""Inference profiles: names that an organisation gives to a model, by ARN, and which model is behind one.

Belongs here: the question to Bedrock's control plane, the answer, and the way there for clients. Never: when to ask,
what to keep (a port).

Source: the Amazon Bedrock API, "GetInferenceProfile", "ListInferenceProfiles".
"""

import re
from typing import Any, Final, Protocol
from urllib.parse import quote

from attrs import evolve, frozen

from aibridge_core.bedrock.models import plain_name
from aibridge_core.dialects.jsontext import text_or, try_read_any
from aibridge_core.ports import Upstream
from aibridge_core.providers.translating import Verbatim
from aibridge_core.wire import UpstreamRequest

_APPLICATION: Final = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]+):\d{12}:application-inference-profile/[a-zA-Z0-9:.-]{1,64}"
)


class InferenceProfiles(Protocol):
    """Knows which models are behind inference profiles, as far as AWS tells."""

    async def model_behind(self, arn: str, upstream: Upstream) -> str:
        """The foundation model's name; empty if it can't be known now. Answers soon, and never raises.

        `upstream`: the way to AWS.
        """
        ...


class UnknownProfiles:
    """Implements `InferenceProfiles` where nobody can be asked."""

    async def model_behind(self, arn: str, upstream: Upstream) -> str:
        """Nothing is known."""
        return ""


UNKNOWN_PROFILES: Final = UnknownProfiles()


def profile_request(control_url: str, arn: str) -> UpstreamRequest:
    """The question for a profile."""
    url = f"{control_url.rstrip('/')}/inference-profiles/{quote(arn, safe='')}"
    headers = ((b"accept", b"application/json"), (b"accept-encoding", b"identity"))
    return UpstreamRequest(method="GET", url=url, headers=headers)


def model_in(body: bytes) -> str:
    """The model in the answer; a profile has the same one in several regions. Empty if there is none."""
    answer: Any = try_read_any(body)
    models = answer.get("models") if isinstance(answer, dict) else None
    first = models[0] if isinstance(models, list) and models else None
    return plain_name(text_or(first.get("modelArn"))) if isinstance(first, dict) else ""


def may_be_asked_for(arn: str, region: str) -> bool:
    """Whether AWS could know more of an ARN here: it is of an application's profile, and of this region (if known).

    The region chooses no host; it only spares a question that AWS would refuse.
    """
    found = _APPLICATION.fullmatch(arn)
    return found is not None and region in ("", found["region"])


@frozen(kw_only=True)
class ControlPlane(Verbatim):
    """The same request, at another host of the operator's."""

    base_url: str
    control_url: str

    def request(self, request: UpstreamRequest) -> UpstreamRequest:
        """With the path behind the other address."""
        path = request.url.removeprefix(self.base_url.rstrip("/"))
        return evolve(request, url=self.control_url.rstrip("/") + path)
