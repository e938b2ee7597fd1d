"""Part of the composition root: the configured providers.

Belongs here: which settings make which provider. Never: what a provider does with a request.
"""

from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from aibridge_adapters.aws import aws_signer
from aibridge_adapters.aws.profiles import AwsInferenceProfiles
from aibridge_adapters.config import BedrockSettings, ProviderSettings
from aibridge_core.actors import Credential
from aibridge_core.bedrock.models import Models
from aibridge_core.bedrock.profiles import UNKNOWN_PROFILES, InferenceProfiles
from aibridge_core.headers import HeaderFilter
from aibridge_core.keys import KeyEvent
from aibridge_core.ports import Clock
from aibridge_core.providers import bedrock
from aibridge_core.providers.api import Provider
from aibridge_core.providers.registry import provider


def provider_of(
    one: ProviderSettings,
    *,
    clock: Clock,
    ca_bundle: Path | None = None,
    tell: Callable[[KeyEvent], None] = lambda event: None,
) -> Provider:
    """One of them; `tell` is told what happens to its keys. Raises AwsUnusable."""
    if one.bedrock:
        made = _on_bedrock(one, one.bedrock, clock, ca_bundle, tell)
    else:
        made = provider(
            name=one.name, type=one.type, base_url=one.base_url, keys=one.keys, websockets=one.websockets, tell=tell
        )
    return evolve(made, enabled=one.enabled, allow_byok=one.allow_byok, filter=_filter_of(one))


def _filter_of(one: ProviderSettings) -> HeaderFilter:
    return HeaderFilter(
        names=frozenset(name.lower().encode("ascii") for name in one.drop_headers), betas=frozenset(one.drop_betas)
    )


def _on_bedrock(
    one: ProviderSettings,
    on_aws: BedrockSettings,
    clock: Clock,
    ca_bundle: Path | None,
    tell: Callable[[KeyEvent], None],
) -> Provider:
    """A Bedrock API key travels like any key; without one, requests are signed."""
    mantle = on_aws.protocol == "mantle"
    service = bedrock.MANTLE_SERVICE if mantle else bedrock.INVOKE_SERVICE
    signer = None if one.keys else aws_signer(on_aws, service=service, ca_bundle=ca_bundle)
    return bedrock.provider(
        name=one.name,
        type=one.type,
        base_url=one.base_url,
        models=None if mantle else Models(main=on_aws.model, small_fast=on_aws.small_fast_model),
        keys=one.keys,
        signer=signer,
        control_url=on_aws.control_url,
        profiles=_profiles(on_aws, bedrock.central_credential(one.keys, signer), clock),
        tell=tell,
    )


def _profiles(on_aws: BedrockSettings, credential: Credential | None, clock: Clock) -> InferenceProfiles:
    if not on_aws.control_url or credential is None:
        return UNKNOWN_PROFILES
    return AwsInferenceProfiles(
        control_url=on_aws.control_url, region=on_aws.region, credential=credential, clock=clock
    )
