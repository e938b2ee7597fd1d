"""What the tests of storage plugins share: distributions that are installed for one test, or built for all."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "jsonl_storage"

Install = Callable[..., None]
"""`install("name", "scheme = module:attribute", module="source")`: as pip leaves a distribution behind."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs distributions where this test's process looks for them, and nobody else."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def installed(name: str, *entry_points: str, **modules: str) -> None:
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        info.joinpath("entry_points.txt").write_text("\n".join(["[aibridge.storage]", *entry_points]))
        for module, source in modules.items():
            monkeypatch.delitem(sys.modules, module, raising=False)
            site.joinpath(f"{module}.py").write_text(source)

    return installed


@pytest.fixture(scope="session")
def example_installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the example in it, built and installed from its own pyproject.toml, offline."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--target", target, EXAMPLE], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return target
