"""The command line as a source. Belongs here: naming and unwrapping what was given. Never: declaring options (cli)."""

from collections.abc import Mapping

from aibridge_adapters.config_sources.drafts import SourceValues
from aibridge_adapters.config_sources.origins import Given, Origin, Source
from aibridge_adapters.config_sources.report import Report
from aibridge_adapters.config_sources.setting import Setting
from aibridge_adapters.config_sources.table import BY_PARAMETER


def read_flags(flags: Mapping[str, object], report: Report) -> SourceValues:
    """Values by `Setting.parameter`; None counts as not given, and so does an empty text that is no value of its kind.

    Raises TypeError for a flag that doesn't exist: the caller declared it, not an operator.
    """
    settings = {}
    for parameter, raw in flags.items():
        if parameter not in BY_PARAMETER:
            raise TypeError(f"there is no flag for {parameter}")
        setting = BY_PARAMETER[parameter]
        given = None if raw is None or (raw == "" and not setting.kind.empty) else _given(setting, raw, report)
        if given is not None:
            settings[setting.key] = [given]
    return SourceValues(settings=settings)


def _given(setting: Setting, raw: object, report: Report) -> Given | None:
    flag = setting.flag if raw is not False else setting.flag.replace("--", "--no-", 1)
    given = Given(raw=raw, origin=Origin(source=Source.FLAG, name=flag))
    return report.secret_of(given) if setting.kind.secret else given
