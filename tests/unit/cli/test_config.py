"""`journeys config show`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.json_pages import differences

from journeys.cli import main
from journeys.cli.config import as_markdown

DOCS = Path(__file__).parents[3] / "docs"


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, until it ends."""
    # The arguments are those of the tests below.
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603


@pytest.mark.slow
def test_characters_that_the_output_cannot_encode_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that is not UTF-8 causes no traceback."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUP_ID", "日本")
    monkeypatch.setenv("JOURNEYS_ORDERS__RETRY_PREFIX", "japan.")
    done = run_python("-m", "journeys", "config", "show")
    assert done.returncode == 0, done.stderr
    assert r"JOURNEYS_KAFKA__GROUP_ID = \u65e5\u672c  (env)" in done.stdout


def test_config_show_prints_value_source_and_meaning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It prints them for each variable."""
    file = tmp_path / "j.toml"
    file.write_text("[ops]\nport = 0\n")
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUP_ID", "mine")
    assert main(["config", "show", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "JOURNEYS_KAFKA__GROUP_ID = mine  (env)\n    Consumer group" in shown
    assert "JOURNEYS_OPS__PORT = 0  (file)" in shown
    assert "JOURNEYS_PUBLISH__LINGER = 100ms  (default)" in shown


def test_config_show_says_what_auto_came_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The API's own servers have a rate and a settle time, any other server has none."""
    assert main(["config", "show"]) == 0
    monkeypatch.setenv("JOURNEYS_API__BASE_URL", "http://localhost:9000")
    monkeypatch.setenv("JOURNEYS_API__RATE", "5")
    assert main(["config", "show"]) == 0
    own, other = capsys.readouterr().out.split("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS")[1:]
    assert "JOURNEYS_ORDERS__SETTLE = auto, here 30m  (default)" in own
    assert "JOURNEYS_API__RATE = auto, here 20  (default)" in own
    assert "JOURNEYS_ORDERS__SETTLE = auto, here 0s  (default)" in other
    assert "JOURNEYS_API__RATE = 5  (env)" in other


def test_config_show_hides_secrets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It hides them in both formats; other values beside them stay readable."""
    monkeypatch.setenv("JOURNEYS_API__KEY", "s3cret")
    monkeypatch.setenv("JOURNEYS_KAFKA__CONFIG", '{"sasl.password": "s3cret", "sasl.username": "me"}')
    monkeypatch.setenv("JOURNEYS_REGISTRY__CONFIG", '{"basic.auth.user.info": "me:s3cret"}')
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", "http://me:s3cret@registry:8081")
    assert main(["config", "show"]) == 0
    assert main(["config", "show", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "s3cret" not in shown
    printed = json.loads(shown[shown.index("[\n") :])
    assert differences("journeys config show", printed) == []
    rows = {row["key"]: row["value"] for row in printed}
    assert rows["api.key"] == "***"
    assert rows["kafka.config"] == {"sasl.password": "***", "sasl.username": "me"}
    assert rows["registry.config"] == {"basic.auth.user.info": "***"}
    assert rows["registry.url"] == "http://***@registry:8081"


def test_settings_page_is_up_to_date() -> None:
    """Run `journeys config show --markdown > docs/settings.md` when this fails."""
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == as_markdown()
