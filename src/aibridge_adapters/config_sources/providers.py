"""Provider instances: from drafts to settings.

Belongs here: what makes a provider complete, which ones are left out, and what is served if none is configured. Never:
reading a source.
"""

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, frozen

from aibridge_adapters.config import ProviderSettings
from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.bedrock_fields import read_bedrock
from aibridge_adapters.config_sources.credentials import read_keys
from aibridge_adapters.config_sources.drafts import Draft, SourceValues, identify, merge
from aibridge_adapters.config_sources.entries import Entry, entry
from aibridge_adapters.config_sources.fields import BEDROCK_FIELDS
from aibridge_adapters.config_sources.origins import DEFAULT, Origin, Source
from aibridge_adapters.config_sources.provider_types import (
    CHATGPT_URL,
    CREDENTIAL_FIELDS,
    DORMANT_FIELD,
    PLAIN_KEYS,
    default_base_url,
    default_providers,
    has_websockets,
)
from aibridge_adapters.config_sources.report import Report
from aibridge_core.actors import mask

_TEXT = kinds.Kind(metavar="TEXT", allowed="a text", read=str)


@frozen(kw_only=True)
class Resolved:
    """A provider and where its values come from."""

    settings: ProviderSettings
    origins: Mapping[str, Origin]
    """By field; what is missing is a default."""

    def entries(self) -> list[Entry]:
        """For `aibridge config show`."""
        key = f"providers.{self.settings.name}."
        hints = [mask(secret) for secret in self.settings.keys]
        return [
            entry(key + "type", _TEXT, self.settings.type, self._origin("type")),
            entry(key + "base_url", kinds.BASE_URL, self.settings.base_url, self._origin("base_url")),
            entry(key + "websockets", kinds.SWITCH, self.settings.websockets, self._origin("websockets")),
            Entry(key=key + "keys", value=hints, text=", ".join(hints), origin=self._origin("keys"), secret=True),
            *self._bedrock_entries(key),
        ]

    def _bedrock_entries(self, key: str) -> list[Entry]:
        bedrock = self.settings.bedrock
        fields = [row for row in BEDROCK_FIELDS.values() if row.name != "bedrock_base_url"]
        return [
            entry(key + row.name, row.kind, value, self._origin(row.name))
            for row in fields
            if row.kind and bedrock and (value := getattr(bedrock, row.name.removeprefix("bedrock_")))
        ]

    def _origin(self, name: str) -> Origin:
        return self.origins.get(name, DEFAULT)


def resolve_providers(
    stronger: SourceValues, weaker: SourceValues, environ: Mapping[str, str], report: Report
) -> list[Resolved]:
    """All providers to serve. Everything that is wrong goes to the report."""
    if not stronger.groups and not weaker.groups:
        return _defaults(environ, report)
    drafts = merge(identify(stronger.groups, report), identify(weaker.groups, report), report)
    resolved = [provider for draft in drafts if (provider := _resolved(draft, report)) is not None]
    if not resolved and not report.problems:
        report.warn("no configured provider can be served by this version: every AI route will answer 404")
    return resolved


def _defaults(environ: Mapping[str, str], report: Report) -> list[Resolved]:
    resolved = [_default(provider, environ) for provider in default_providers()]
    described = [f"{provider.settings.name} {_whose_key(provider)}" for provider in resolved]
    report.notes.append(f"no provider is configured; serving the default ones: {', '.join(described)}")
    return resolved


def _default(provider: ProviderSettings, environ: Mapping[str, str]) -> Resolved:
    variable = PLAIN_KEYS[provider.name]
    key = environ.get(variable, "").strip()
    if not key:
        return Resolved(settings=provider, origins={})
    origin = Origin(source=Source.ENVIRONMENT, name=variable)
    return Resolved(settings=evolve(provider, keys=(key,)), origins={"keys": origin})


def _whose_key(provider: Resolved) -> str:
    origin = provider.origins.get("keys")
    return f"with the central key of {origin}" if origin else "without a central key (users bring their own)"


def _resolved(draft: Draft, report: Report) -> Resolved | None:
    if reason := draft.type.left_out:
        report.warn(f'provider "{draft.name}" ({draft.place}) IS LEFT OUT: {reason}; its routes answer 404')
        return None
    _warn_dormant(draft, report)
    keys = read_keys(draft, report)
    if _is_on_bedrock(draft, report):
        return _on_bedrock(draft, keys, report)
    base_url = _base_url(draft, report)
    if base_url is None or keys is None:
        return None
    settings = ProviderSettings(
        type=draft.type.name,
        name=draft.name,
        base_url=base_url,
        keys=keys,
        websockets=_websockets(draft, base_url, report),
    )
    return _complete(settings, draft, report)


def _complete(settings: ProviderSettings, draft: Draft, report: Report) -> Resolved:
    """With the fields that have nothing to do with its type."""
    if settings.keys and (reason := _why_no_keys(settings)):
        report.refuse(f'provider "{draft.name}" ({draft.place}) takes no central key: {reason}')
    settings = evolve(
        settings, enabled=_switch("enabled", draft, report), allow_byok=_switch("allow_byok", draft, report)
    )
    settings = evolve(
        settings,
        drop_headers=_words("drop_headers", kinds.HEADER_NAMES, draft, report),
        drop_betas=_words("drop_betas", kinds.WORDS, draft, report),
    )
    if (given := draft.fields.get("dump_dir")) and isinstance(folder := report.read(kinds.FOLDER, given), Path):
        settings = evolve(settings, dump_dir=folder)
    return Resolved(settings=settings, origins=_origins(draft))


def _words(name: str, kind: kinds.Kind, draft: Draft, report: Report) -> tuple[str, ...]:
    given = draft.fields.get(name)
    words = report.read(kind, given) if given else None
    return words if isinstance(words, tuple) else ()


def _switch(name: str, draft: Draft, report: Report) -> bool:
    """On unless it says otherwise."""
    given = draft.fields.get(name)
    return given is None or report.read(kinds.SWITCH, given) is not False


def _why_no_keys(settings: ProviderSettings) -> str:
    if settings.type == "copilot":
        return "GitHub Copilot is asked with each user's own token"
    if settings.base_url == CHATGPT_URL:
        return "ChatGPT is asked with each user's own login"
    return ""


def _is_on_bedrock(draft: Draft, report: Report) -> bool:
    """Without a key, Bedrock's settings mean that requests go to AWS; they must not silently go to somebody else."""
    given = [value for name, value in draft.fields.items() if name in BEDROCK_FIELDS]
    has_key = any(name in draft.fields for name in CREDENTIAL_FIELDS)
    if draft.type.name == "bedrock" or (draft.type.name == "anthropic" and given and not has_key):
        return True
    for value in given:
        if draft.type.name == "anthropic":
            report.warn(f"{value.origin} has no effect: the provider has a key, so Anthropic is asked and not AWS")
        else:
            report.refuse(f"{value.origin}: only providers of type anthropic or bedrock are on Amazon Bedrock")
    return False


def _on_bedrock(draft: Draft, keys: tuple[str, ...] | None, report: Report) -> Resolved | None:
    read = read_bedrock(draft, report, signed=not keys)
    if read is None or keys is None:
        return None
    bedrock, base_url = read
    settings = ProviderSettings(type=draft.type.name, name=draft.name, base_url=base_url, keys=keys, bedrock=bedrock)
    return _complete(settings, draft, report)


def _warn_dormant(draft: Draft, report: Report) -> None:
    for name, given in draft.fields.items():
        if DORMANT_FIELD.fullmatch(name):
            report.warn(f"{given.origin} is known but has no effect in this version")


def _base_url(draft: Draft, report: Report) -> str | None:
    given = draft.fields.get("base_url")
    if given is not None:
        value = report.read(kinds.BASE_URL, given)
        return None if value is None else str(value)
    default = default_base_url(draft.type.name, draft.name)
    if not default:
        report.refuse(
            f'provider "{draft.name}" ({draft.place}) needs a base URL, type {draft.type.name} has no default; '
            f"allowed: {kinds.BASE_URL.allowed}"
        )
        return None
    return default


def _websockets(draft: Draft, base_url: str, report: Report) -> bool:
    given = draft.fields.get("websockets")
    value = report.read(kinds.SWITCH, given) if given else None
    return has_websockets(base_url) if value is None else bool(value)


def _origins(draft: Draft) -> dict[str, Origin]:
    origins = {name: given.origin for name, given in draft.fields.items()}
    credential = next((origins[name] for name in CREDENTIAL_FIELDS if name in origins), None)
    return origins | ({"keys": credential} if credential else {})
