"""What can be said about a provider on Amazon Bedrock.

Belongs here: its fields, and what makes them complete. Never: the fields that every provider has (`provider_types`).
"""

import re

from aibridge_adapters.config import BedrockSettings
from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.drafts import Draft
from aibridge_adapters.config_sources.fields import BEDROCK_FIELDS
from aibridge_adapters.config_sources.origins import Given
from aibridge_adapters.config_sources.report import Report
from aibridge_core.providers.bedrock import INVOKE_URL, MANTLE_URL

_IN_HOST = re.compile(r"bedrock(?:-runtime|-mantle)?(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.")
_RUNTIME = re.compile(r"https://bedrock-runtime(?P<rest>(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?)/?")
_SECRET_FILES = {"bedrock_access_key_secret_file": "bedrock_access_key_secret"}


def read_bedrock(draft: Draft, report: Report, *, signed: bool) -> tuple[BedrockSettings, str] | None:
    """The settings and the base URL; None if something is wrong. `signed`: there is no key."""
    values = _values(draft, report)
    if values is None:
        return None
    base_url = values.pop("base_url", "") or (_own_base_url(draft, report) if draft.type.name == "bedrock" else "")
    settings = BedrockSettings(**values)
    region = settings.region or _region_of(base_url)
    if problem := _problem(settings, base_url, region, signed=signed):
        report.refuse(f'provider "{draft.name}" ({draft.place}): {problem}')
        return None
    template = MANTLE_URL if settings.protocol == "mantle" else INVOKE_URL
    base_url = base_url or template.format(region=region)
    control_url = settings.control_url or _control_url_of(base_url)
    return BedrockSettings(**(values | {"region": region, "control_url": control_url})), base_url


def _values(draft: Draft, report: Report) -> dict[str, str] | None:
    """By the names of `BedrockSettings`, and `base_url`."""
    given = {name: value for name, value in draft.fields.items() if name in BEDROCK_FIELDS}
    for file, name in _SECRET_FILES.items():
        if file in given:
            secret = report.secret_of(given.pop(file))
            given |= {name: secret} if secret else {}
    before = len(report.problems)
    values = {name.removeprefix("bedrock_"): _read(name, value, report) for name, value in given.items()}
    return values if len(report.problems) == before else None


def _read(name: str, given: Given, report: Report) -> str:
    kind = BEDROCK_FIELDS[name].kind
    assert kind is not None, "fields without a kind are read above"
    return str(report.read(kind, given) or "")


def _own_base_url(draft: Draft, report: Report) -> str:
    given = draft.fields.get("base_url")
    return str(report.read(kinds.BASE_URL, given) or "") if given else ""


def _region_of(base_url: str) -> str:
    found = _IN_HOST.search(base_url)
    return found[1] if found else ""


def _control_url_of(base_url: str) -> str:
    """AWS's own beside AWS's own; of an address of the operator's nobody knows what else is there."""
    found = _RUNTIME.fullmatch(base_url)
    return f"https://bedrock{found['rest']}" if found else ""


def _problem(settings: BedrockSettings, base_url: str, region: str, *, signed: bool) -> str:
    if not region and not base_url:
        return "region or base url required (BEDROCK_REGION, BEDROCK_BASE_URL)"
    if not region and signed:
        return "BEDROCK_REGION is missing: signatures need a region, and the base URL names none"
    if bool(settings.access_key) != bool(settings.access_key_secret):
        return "both access key and access key secret must be provided together"
    if settings.session_token and not settings.access_key:
        return "BEDROCK_SESSION_TOKEN goes with BEDROCK_ACCESS_KEY"
    if settings.external_id and not settings.role_arn:
        return "BEDROCK_EXTERNAL_ID goes with BEDROCK_ROLE_ARN"
    return ""
