"""`journeys topics create`: errors, without a broker."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from journeys.cli import main


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, until it ends."""
    # The arguments are those of the tests below.
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603


@pytest.mark.slow
def test_missing_broker_is_reported_in_one_line(free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the setting to check; librdkafka's own lines are hidden."""
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port}")
    done = run_python("-m", "journeys", "topics", "create")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"journeys: no broker answers at 127.0.0.1:{free_port} (")
    assert "Connection refused" in line
    assert "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS" in line


@pytest.mark.slow
def test_secrets_in_the_broker_address_are_hidden(
    free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are also hidden in an error text of librdkafka."""
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", f"SASL_PLAINTEXT://me:s3cret@127.0.0.1:{free_port}")
    config = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}
    config |= {"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": "secret=s3cret"}
    monkeypatch.setenv("JOURNEYS_KAFKA__CONFIG", json.dumps(config))
    assert main(["topics", "create"]) == 1
    shown = capsys.readouterr().err
    assert "s3cret" not in shown
    assert "beginning at: ***" in shown


def test_setting_unknown_to_librdkafka_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the setting that holds it."""
    monkeypatch.setenv("JOURNEYS_KAFKA__CONFIG", '{"no.such.thing": 1}')
    assert main(["topics", "create"]) == 2
    assert "JOURNEYS_KAFKA__CONFIG" in capsys.readouterr().err


@pytest.mark.parametrize("retention", ["long", "30", "7.5", "30.0 ", "0d"])
def test_retention_without_a_unit_or_of_zero_is_exit_code_2(retention: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The broker is not asked: a bare number would mean seconds, and Kafka would soon delete every record."""
    assert main(["topics", "create", "--retention", retention]) == 2
    assert "--retention" in capsys.readouterr().err
