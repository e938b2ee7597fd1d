"""The central keys of a provider: one or several, in place or in a file.

Belongs here: reading `key`, `keys` and their files of a draft. Never: which key a request uses.
"""

from collections.abc import Sequence

from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.drafts import Draft
from aibridge_adapters.config_sources.origins import Given
from aibridge_adapters.config_sources.provider_types import CREDENTIAL_FIELDS, MOST_KEYS
from aibridge_adapters.config_sources.report import Report, shown
from aibridge_core.actors import mask

_KEY = kinds.secret(least=1)
_ALLOWED = f"allowed: 1 to {MOST_KEYS} different keys"


def read_keys(draft: Draft, report: Report) -> tuple[str, ...] | None:
    """Empty if there are none, None if something is wrong."""
    given = {name: draft.fields[name] for name in CREDENTIAL_FIELDS if name in draft.fields}
    if len(given) > 1:
        names = " and ".join(str(value.origin) for value in given.values())
        report.refuse(f"{names}: {' and '.join(name.upper() for name in given)} are mutually exclusive")
        return None
    if "keys" in given:
        return _many_keys(given["keys"], report)
    if "keys_file" in given:
        text = report.secret_of(given["keys_file"])
        return None if text is None else _many_keys(_lines(text), report)
    secret = report.secret_of(given["key_file"]) if "key_file" in given else given.get("key")
    if secret is None:
        return None if given else ()
    key = report.read(_KEY, secret)
    return None if key is None else (str(key),)


def _lines(text: Given) -> Given:
    """What stands in a file, without comments."""
    return Given(raw=[line.partition("#")[0].strip() for line in str(text.raw).splitlines()], origin=text.origin)


def _many_keys(given: Given, report: Report) -> tuple[str, ...] | None:
    texts = given.raw.split(",") if isinstance(given.raw, str) else given.raw
    if not isinstance(texts, Sequence):
        report.refuse(f"{given.origin} = {shown(_KEY, given.raw)}: {_ALLOWED}")
        return None
    raws = [text for text in texts if text != "" and not (isinstance(text, str) and not text.strip())]
    read = [report.read(_KEY, Given(raw=raw, origin=given.origin)) for raw in raws]
    keys = tuple(str(key) for key in read if key is not None)
    if problem := _keys_problem(keys, len(raws)):
        report.refuse(f"{given.origin}: {problem}; {_ALLOWED}")
    return keys if len(keys) == len(raws) else None


def _keys_problem(keys: Sequence[str], count: int) -> str:
    if not count:
        return "no keys provided"
    if count > MOST_KEYS:
        return f"{count} keys provided"
    duplicates = {mask(key) for key in keys if keys.count(key) > 1}
    return f"duplicate key {', '.join(sorted(duplicates))}" if duplicates else ""
