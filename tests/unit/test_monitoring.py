"""deploy/monitoring: the dashboard is the table's, and its expressions and those of the alerts name what exists.

docker-compose.yml hands these files to Prometheus and Grafana.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path, PurePath
from threading import Thread
from typing import Any, Final

import pytest
from msgspec import yaml
from tests.support import dashboard
from tests.support.runbook import states

from journeys.ops.definitions import COUNTERS, GAUGES, SECONDS, TOTALS, prometheus_name
from journeys.ops.metrics import Metrics

EXPRESSIONS: Final = (
    *dashboard.expressions(),
    *(state.expression for state in states().values() if state.expression is not None),
)
ROOT: Final = Path(__file__).parents[2]
TARGET: Final = {"job", "instance"}
"""Labels that Prometheus gives to every series it scrapes."""


def labels_of_metrics() -> dict[str, set[str]]:
    """Each metric that a scrape of a worker can have, with its labels, and those of Prometheus itself."""
    known = {
        **{prometheus_name(name) + "_total": set(each.labels) for name, each in COUNTERS.items()},
        **{prometheus_name(name) + "_total": set(each.labels) for name, each in TOTALS.items()},
        **{prometheus_name(name): set(each.labels) for name, each in GAUGES.items()},
    }
    for name, each in SECONDS.items():
        known |= {prometheus_name(name) + end: set(each.labels) for end in ("_count", "_sum")}
        known[prometheus_name(name) + "_bucket"] = {*each.labels, "le"}
    for family in Metrics().registry.collect():
        if not family.name.startswith("journeys_"):
            known |= {sample.name: set(sample.labels) for sample in family.samples}
    return {**known, "up": set(), "ALERTS": {"alertname", "alertstate"}}


LABELS: Final = labels_of_metrics()


def test_dashboard_is_that_of_the_table() -> None:
    """`python -m tests.support.dashboard` writes the file anew."""
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.dashboard()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_names_metrics_and_labels_that_exist(expression: str) -> None:
    """An alert on another metric never fires, and its panel stays empty."""
    named = re.findall(r"\b((?:journeys|process|python)_\w+|up\b|ALERTS\b)(?:\{([^}]*)\})?", expression)
    assert named
    for metric, matchers in named:
        assert metric in LABELS
        assert set(re.findall(r'(\w+)[=!]~?"', matchers)) <= LABELS[metric] | TARGET
    grouped = {label for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in labels.split(", ")}
    assert grouped <= TARGET.union(*(LABELS[metric] for metric, _ in named))


def test_each_panel_has_a_unit_a_sentence_and_a_title_of_its_own() -> None:
    """A number without them says little to a person on call."""
    panels = [panel for row in dashboard.PANELS.values() for panel in row]
    assert len({panel.title for panel in panels}) == len(panels)
    for panel in panels:
        assert panel.unit
        assert panel.sentence.endswith(".")
        legends = " ".join(panel.queries)
        for label in re.findall(r"{{(\w+)}}", legends):
            assert any(label in expression or label == "instance" for expression in panel.queries.values())


def services_of_compose() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    services: dict[str, Any] = yaml.decode((ROOT / "docker-compose.yml").read_bytes())["services"]
    return services


def mounted(service: str) -> dict[PurePath, Path]:
    """The files of this repository in a service's container, by their places there."""
    found = {}
    for volume in services_of_compose()[service]["volumes"]:
        source, target, mode = volume.split(":")
        assert mode == "ro"
        found[PurePath(target)] = ROOT / source
    return found


@pytest.mark.parametrize("service", services_of_compose())
def test_each_image_of_the_compose_file_has_a_version(service: str) -> None:
    """An image without one is another one tomorrow."""
    assert re.search(r":v?\d+\.\d+\.\d+$", services_of_compose()[service]["image"])


def test_composed_prometheus_scrapes_the_workers_as_the_alerts_expect() -> None:
    """It looks up the service of the workers, under the job that the alerts name, and finds the alerts."""
    place = PurePath("/etc/prometheus/prometheus.yml")  # where the image looks
    files = mounted("prometheus")
    config = yaml.decode(files[place].read_bytes())
    [job] = config["scrape_configs"]
    assert job["job_name"] == "journeys"
    assert set(job["dns_sd_configs"][0]["names"]) <= set(services_of_compose())
    assert [files[place.with_name(name)] for name in config["rule_files"]] == [ROOT / "deploy/monitoring/alerts.yaml"]


def test_composed_grafana_shows_the_dashboard() -> None:
    """It finds Prometheus and the dashboard, which is its first page. It has visitors only, and no default password."""
    files = mounted("grafana")
    provisioning = PurePath("/etc/grafana/provisioning")  # where the image looks
    [source] = yaml.decode(files[provisioning / "datasources/journeys.yaml"].read_bytes())["datasources"]
    [provider] = yaml.decode(files[provisioning / "dashboards/journeys.yaml"].read_bytes())["providers"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    settings = services_of_compose()["grafana"]["environment"]
    home = PurePath(settings["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert files[home] == dashboard.FILE
    assert PurePath(provider["options"]["path"]) == home.parent
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


@pytest.mark.parametrize("service", ["prometheus", "grafana"])
def test_composed_monitoring_is_for_this_machine_only(service: str) -> None:
    """Neither asks for a password."""
    assert all(port.startswith("127.0.0.1:") for port in services_of_compose()[service]["ports"])


def test_health_check_of_the_image_asks_the_port_of_the_worker() -> None:
    """A container whose worker listens on another port would be unhealthy for ever."""
    [command] = re.findall(r"^HEALTHCHECK .*\n +CMD (.*)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    _, *words = json.loads(command)
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def answer() -> None:
            client, _ = server.accept()
            with client:
                asked.append(client.recv(1000).split(b" ")[1])
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

        answering = Thread(target=answer)
        answering.start()
        port = str(server.getsockname()[1])
        done = subprocess.run([sys.executable, *words], env={"JOURNEYS_OPS__PORT": port}, check=False)  # noqa: S603
        answering.join()
    assert (asked, done.returncode) == ([b"/healthz"], 0)
