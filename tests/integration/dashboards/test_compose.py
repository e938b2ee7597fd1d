"""deploy/compose.yaml and what it mounts fit together, as far as that shows without containers."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from support.grafana import FOLDER

DEPLOY = FOLDER.parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROMTOOL = shutil.which("promtool")


def test_mounts_and_volumes_exist() -> None:
    """Each mounted path is in this folder, each volume is declared."""
    for name, service in SERVICES.items():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            known = (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
            assert known, (name, source)


def test_services_that_are_waited_for_exist() -> None:
    """And those of which health is asked have a check of it, in this file or in their image."""
    checked = {name for name, service in SERVICES.items() if "healthcheck" in service} | {"gateway"}
    for service in SERVICES.values():
        wanted = service.get("depends_on", {})
        assert set(wanted) <= set(SERVICES)
        if isinstance(wanted, dict):
            assert {name for name, how in wanted.items() if how["condition"] == "service_healthy"} <= checked
    assert "HEALTHCHECK" in (DEPLOY / "container" / "Dockerfile").read_text(encoding="utf-8")


def test_ports_are_open_to_this_machine_only() -> None:
    """Jaeger and Prometheus ask nobody who they are."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_grafana_gets_what_its_files_name() -> None:
    """Every variable of the data sources is set, and the dashboards are where the provider looks for them."""
    provisioning = DEPLOY / "grafana" / "provisioning"
    sources = (provisioning / "datasources" / "aibridge.yaml").read_text(encoding="utf-8")
    named = {part.partition("}")[0] for part in sources.split("${")[1:]} - {"..."}
    assert named <= set(SERVICES["grafana"]["environment"])
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "aibridge.yaml").read_text(encoding="utf-8"))[
        "providers"
    ]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    kinds = {source["type"] for source in yaml.safe_load(sources)["datasources"]}
    assert {"grafana-postgresql-datasource", "prometheus"} <= kinds


def test_addresses_name_services() -> None:
    """What the gateway and Grafana are pointed at is there. That the variables are known, test_docs.py looks at."""
    gateway, grafana = (SERVICES[name]["environment"] for name in ("gateway", "grafana"))
    assert gateway["AIBRIDGE_DATABASE_URL"].endswith("@postgres/aibridge")
    urls = [gateway["AIBRIDGE_TRACE_ENDPOINT"], grafana["METRICS_URL"], grafana["TRACES_URL"]]
    assert [url.split("/")[2].partition(":")[0] for url in urls] == ["collector", "prometheus", "jaeger"]
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    port = gateway["AIBRIDGE_PROMETHEUS_ADDRESS"].rpartition(":")[2]
    assert [each["static_configs"][0]["targets"] for each in scraped] == [[f"gateway:{port}"]]


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """As promtool reads it."""
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    command = [str(PROMTOOL), "check", "config", str(tmp_path / "prometheus" / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
