"""Loads settings from a given environment and a real file; nothing of this machine gets in."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from aibridge_adapters.config_sources import ConfigError, Loaded, load_settings

Load = Callable[..., Loaded]
Problems = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Settings from variables, the text of a file, and flags."""

    def load(
        environ: Mapping[str, str] | None = None,
        toml: str | None = None,
        flags: Mapping[str, object] | None = None,
        strict: bool = False,
    ) -> Loaded:
        file = None
        if toml is not None:
            file = tmp_path / "aibridge.toml"
            file.write_text(toml, encoding="utf-8")
        return load_settings(
            flags=flags or {}, environ=environ or {}, file=file, strict=strict, data_folder=tmp_path / "data"
        )

    return load


@pytest.fixture
def problems(load: Load) -> Problems:
    """Why settings are refused, one problem a line."""

    def problems(*args: object, **kwargs: object) -> str:
        with pytest.raises(ConfigError) as refused:
            load(*args, **kwargs)
        return "\n".join(refused.value.problems)

    return problems
