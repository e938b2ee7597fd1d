"""Names that are no settings of this version, and what becomes of them: foreign ones, and known ones without effect.

Belongs here: ordered tables of patterns, with a reason per row; the first row that matches decides. Never: values.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from attrs import frozen

OWN_PREFIX = "AIBRIDGE_"
PREFIXES = ("CODER_AI_GATEWAY_", "CODER_AIBRIDGE_", OWN_PREFIX)
"""The names of other deployments work too, so that moving one here needs no renaming."""


@frozen
class Foreign:
    """Variables under our prefix that mean something to somebody else."""

    name: str
    """Regular expression, like the next."""
    value: str
    reason: str


FOREIGN = (
    # Kubernetes gives every pod of a namespace variables about each service in it ("Service", section "Discovering
    # services"). A service `aibridge`, or `aibridge-anything`, makes names that begin with our prefix.
    Foreign(r"AIBRIDGE_(\w+_)?SERVICE_HOST", r".*", "address of a Kubernetes service"),
    Foreign(r"AIBRIDGE_(\w+_)?SERVICE_PORT(_\w+)?", r"\d*", "port of a Kubernetes service, perhaps a named one"),
    Foreign(r"AIBRIDGE_(\w+_)?PORT(_\d+_(TCP|UDP|SCTP))?", r"\w+://.*", "the same in the form of Docker links"),
    Foreign(r"AIBRIDGE_(\w+_)?PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)", r".*", "parts of it"),
    Foreign(r"AIBRIDGE_(URL|TOKEN)", r".*", "for the commands that talk to a running gateway"),
    Foreign(r"AIBRIDGE_CONFIG", r".*", "names the file; read before everything else"),
    Foreign(r"AIBRIDGE_TEST_\w+", r".*", "for test suites"),
)


@frozen
class Dormant:
    """A setting whose feature this version does not have. Matched without prefix; in a file, in upper case."""

    name: str
    """Regular expression."""
    shown: str
    """In the documentation."""
    consequence: str


DORMANT = (
    Dormant(
        r"INJECT_CODER_MCP_TOOLS",
        "`INJECT_CODER_MCP_TOOLS`",
        "there is no server of its own; MCP servers are named by `MCP_<N>_*`",
    ),
    Dormant(r"PROXY_\w+", "`PROXY_*`", "there is no intercepting proxy"),
    Dormant(r"ENABLED", "`ENABLED`", "the gateway runs when it is started"),
)

FULL_NAMES = re.compile(r"CODER_(TRACE_(ENABLE|ENDPOINT|LOGS)|PROMETHEUS_(ENABLE|ADDRESS))")
"""These five carry no product's prefix. All other `CODER_` names are somebody else's."""

_MEANS_ENABLED = ("true", "1", "yes", "on")


def split_prefix(name: str) -> tuple[str, str] | None:
    """A variable's prefix and the rest; None if it isn't meant for the gateway."""
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return prefix, name.removeprefix(prefix)
    if FULL_NAMES.fullmatch(name):
        return "CODER_", name.removeprefix("CODER_")
    return None


def is_foreign(name: str, value: str) -> bool:
    """Whether a variable is somebody else's, in spite of its name."""
    return any(re.fullmatch(row.name, name) and re.fullmatch(row.value, value) for row in FOREIGN)


def dormant(name: str) -> Dormant | None:
    """The row of a known setting without effect."""
    return next((row for row in DORMANT if re.fullmatch(row.name, name)), None)


def no_effect(where: str, row: Dormant, value: object) -> str:
    """The warning about it; empty if the setting asks for what happens anyway. It never shows the value."""
    if row.name == "ENABLED" and str(value).strip().lower() in _MEANS_ENABLED:
        return ""
    return f"{where} is known but has no effect in this version: {row.consequence}"


def unknown(where: str, name: str, known: Iterable[str]) -> str:
    """The message about a name nobody knows, with the nearest known one. It never shows a value: it may be a secret."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"{where} is not a known setting" + (f"; did you mean {near[0]}?" if near else "")
