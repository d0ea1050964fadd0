"""`journeys support-bundle`, without brokers and workers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import fastjsonschema
import pytest
from tests.support.json_pages import differences

from journeys.cli import main
from journeys.doctor.report import SCHEMA


@pytest.mark.slow
def test_bundle_holds_checks_settings_and_log_without_secrets(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that does not answer costs only its pages, and is exit code 1. An existing file is not overwritten."""
    for name in ("KAFKA__BOOTSTRAP_SERVERS", "REGISTRY__URL", "API__BASE_URL"):
        address = f"127.0.0.1:{free_port}"
        monkeypatch.setenv(f"JOURNEYS_{name}", address if name.startswith("KAFKA") else f"http://{address}")
    monkeypatch.setenv("JOURNEYS_API__KEY", "s3cret")
    log = tmp_path / "worker.log"
    log.write_text("".join(json.dumps({"event": "x", "order_id": f"order {number}"}) + "\n" for number in range(5)))
    file = tmp_path / "bundle.zip"
    arguments = [
        "support-bundle",
        str(file),
        "--url",
        f"http://127.0.0.1:{free_port}",
        "--log",
        str(log),
        "--lines",
        "2",
    ]
    assert main([*arguments, "--json"]) == 1
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert differences("journeys support-bundle", answer) == []
    assert answer["files"] == ["about.json", "doctor.json", "settings.json", "worker.log"]
    assert "no worker listens" in shown.err
    with zipfile.ZipFile(file) as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert "s3cret" not in "".join(texts.values())
    assert [json.loads(line)["order_id"] for line in texts["worker.log"].splitlines()] == ["order-1", "order-2"]
    report = json.loads(texts["doctor.json"])
    fastjsonschema.compile(json.loads(SCHEMA.read_text("utf-8")))(report)
    failed = [check["id"] for check in report["checks"] if check["status"] == "fail"]
    assert failed == ["kafka.brokers", "registry.answer", "api.answer"]
    assert report["counts"]["skipped"] == len(report["checks"]) - 7
    assert main(arguments) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--log", "nowhere.log"], "--log"),
        (["--lines", "0"], "--lines"),
        (["--url", "worker:8080"], "--url"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_option_is_exit_code_2(
    arguments: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No check runs, and no file is written."""
    file = tmp_path / "bundle.zip"
    assert main(["support-bundle", str(file), *arguments]) == 2
    assert named in capsys.readouterr().err
    assert not file.exists()
