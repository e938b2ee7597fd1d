"""The example rules are rules that Prometheus takes, say what they should, and name metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from aibridge_adapters.telemetry.metrics.tables import METRICS

DEPLOY = Path(__file__).parents[3] / "deploy" / "prometheus"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool (Debian: apt install prometheus)")


def promtool(*arguments: str) -> None:
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *arguments], cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_configuration_is_valid() -> None:
    """With all rule files that it names."""
    promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_alerts_come_when_they_should_and_not_else() -> None:
    """Over made-up series, in Prometheus's own test format."""
    promtool("test", "rules", "rules_test.yml")


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("rules/*.yml")), ids=lambda file: file.name)
def test_rules_name_metrics_that_exist(file: Path) -> None:
    """A rule about a metric that nobody counts would stay silent for ever."""
    shown = {metric.full_name for metric in METRICS}
    named = set(re.findall(r"(?<![:\w])aibridge_\w+", file.read_text()))
    assert named
    assert {name for name in named if re.sub(r"_(bucket|sum|count)$", "", name) not in shown} == set()
