"""The commands, called as a shell calls them."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import structlog

from journeys import __version__
from journeys.cli import main
from journeys.cli.config import as_markdown
from journeys.errors import HaltError, SetupError
from journeys.producer.export import files
from journeys.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(autouse=True)
def _only_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the developer has set reaches a test."""
    for name in [name for name in os.environ if name.startswith("JOURNEYS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def nobody() -> int:
    """A port that nothing listens on, held for the test without listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Another Python, run to its end."""
    # The arguments are those of the tests below.
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """And the first steps."""
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(
        command in told for command in ("run", "demo", "dead-letters", "topics", "schemas", "config", "First steps")
    )


@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["demo"],
        ["topics", "create"],
        ["schemas", "register"],
        ["schemas", "check"],
        ["schemas", "export"],
        ["config", "show"],
        *(["dead-letters", command] for command in ("list", "show", "replay", "export", "resume")),
    ],
)
def test_each_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help needs no settings, no broker and no registry."""
    assert main([*command, "--help"]) == 0
    assert "Usage: journeys" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"journeys {__version__}\n"


@pytest.mark.slow
def test_help_loads_nothing_heavy() -> None:
    """What takes long to import is imported by the command that needs it."""
    heavy = "{'aiohttp', 'httpx', 'confluent_kafka', 'pydantic', 'structlog', 'fastavro', 'prometheus_client'}"
    done = python("-c", f"import sys, journeys.cli.app; print({heavy} & set(sys.modules))")
    assert done.stdout == "set()\n"


def test_wrong_settings_are_all_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, a line each, before anything is connected to."""
    monkeypatch.setenv("JOURNEYS_OPS__PORT", "high")
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUPID", "x")
    assert main(["run"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "journeys: JOURNEYS_KAFKA__GROUPID: no such setting; did you mean JOURNEYS_KAFKA__GROUP_ID?",
        "journeys: JOURNEYS_OPS__PORT: should be a valid integer, unable to parse string as an integer",
    ]


def test_an_unknown_option_is_told_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """As every command line tool does."""
    assert main(["run", "--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


class Worker(ModuleType):
    """A stand-in for the worker's entry: remembers its settings, and ends as it is told to."""

    def __init__(self, ending: int | Exception) -> None:
        super().__init__("journeys.worker.service")
        self.ending = ending
        self.settings: Settings | None = None

    def run(self, settings: Settings, *_: object) -> int:
        """As the worker's own."""
        self.settings = settings
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker that ends at once, and the logging of this process put back afterwards."""
    ended = Worker(0)
    monkeypatch.setitem(sys.modules, "journeys.worker.service", ended)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield ended
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    logging.getLogger("journeys").setLevel(logging.NOTSET)


@pytest.mark.parametrize("code", [0, 1])
def test_run_ends_with_the_workers_code(code: int, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options for logs beat the environment."""
    worker.ending = code
    monkeypatch.setenv("JOURNEYS_LOGS__LEVEL", "error")
    assert main(["run", "--log-level", "debug"]) == code
    assert worker.settings is not None
    assert worker.settings.logs.level == "debug"


def test_people_are_told_a_fatal_error_and_its_remedy(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, a line each, and no trace."""
    worker.ending = SetupError("no topics", remedy="journeys topics create")
    assert main(["run", "--log-format", "console"]) == 1
    assert capsys.readouterr().err.splitlines() == ["journeys: no topics", "journeys: try: journeys topics create"]


def test_an_error_cannot_speak_to_the_terminal(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """It may quote what came from outside, at any length; its beginning and its end are told."""
    worker.ending = HaltError("no \x1b]0;owned\x07 日本\nFAKE: all fine \udcff" + "x" * 60_000 + " the remedy")
    assert main(["run", "--log-format", "console"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(r"journeys: no \x1b]0;owned\x07 日本\nFAKE: all fine \udcff")
    assert line.endswith("x the remedy")
    assert len(line) < 3_000


def test_programs_are_told_a_fatal_error_in_the_log(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is JSON like all others, and has the reason."""
    worker.ending = HaltError("fenced three times")
    assert main(["run", "--log-format", "json"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "worker.failed"
    assert json.loads(line)["reason"] == "fenced three times"


def test_a_defect_is_told_in_the_log_with_its_trace(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1; whoever mends it needs the trace."""
    worker.ending = ZeroDivisionError("by zero")
    assert main(["run", "--log-format", "json"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: by zero" in json.loads(line)["exception"]


@pytest.mark.slow
def test_a_missing_broker_is_one_line(nobody: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to check is named; librdkafka's own lines are not to be seen."""
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{nobody}")
    done = python("-m", "journeys", "topics", "create")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"journeys: no broker answers at 127.0.0.1:{nobody} (")
    assert "Connection refused" in line
    assert "JOURNEYS_KAFKA__BOOTSTRAP_SERVERS" in line


@pytest.mark.slow
def test_no_secret_of_the_brokers_address_is_told(
    nobody: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor what librdkafka quotes of one."""
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", f"SASL_PLAINTEXT://me:s3cret@127.0.0.1:{nobody}")
    config = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}
    config |= {"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": "secret=s3cret"}
    monkeypatch.setenv("JOURNEYS_KAFKA__CONFIG", json.dumps(config))
    assert main(["topics", "create"]) == 1
    told = capsys.readouterr().err
    assert "s3cret" not in told
    assert "beginning at: ***" in told


def test_a_setting_that_librdkafka_does_not_know_is_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was the user who wrote it."""
    monkeypatch.setenv("JOURNEYS_KAFKA__CONFIG", '{"no.such.thing": 1}')
    assert main(["topics", "create"]) == 2
    assert "JOURNEYS_KAFKA__CONFIG" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["register", "check"])
def test_a_missing_registry_is_one_line(
    command: str, nobody: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, naming where it was looked for."""
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", f"http://127.0.0.1:{nobody}")
    assert main(["schemas", command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"http://127.0.0.1:{nobody}" in line


def test_schemas_are_exported_as_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that does not exist is created, and each file is named in the answer."""
    target = tmp_path / "new" / "avro"
    assert main(["schemas", "export", str(target)]) == 0
    assert [Path(line) for line in capsys.readouterr().out.splitlines()] == [target / name for name in files()]
    assert {path.name: path.read_text() for path in target.iterdir()} == files()


def test_an_export_to_a_place_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with the path and the reason."""
    (tmp_path / "file").touch()
    assert main(["schemas", "export", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"journeys: cannot write {tmp_path}/file/AdsEvent.avsc: File exists\n"


@pytest.mark.parametrize("retention", ["long", "30"])
def test_a_retention_that_is_no_duration_with_a_unit_is_code_2(
    retention: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the broker is asked: 30 seconds are hardly what somebody means."""
    assert main(["topics", "create", "--retention", retention]) == 2
    assert "--retention" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["list", "--since", "yesterday"], "--since"),
        (["export", "--until", "2 weeks"], "--until"),
        (["show", "17"], "POSITION"),
        (["show", "orders.completed/0/17"], "POSITION"),
        (["replay", "--to", "orders.retry.1m"], "--to"),
        (["replay", "--limit", "0"], "--limit"),
        (["replay", "--forgotten", "maybe"], "--forgotten"),
        (["resume", "--url", "worker:8080"], "--url"),
    ],
)
def test_a_wrong_option_for_letters_is_code_2(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the broker is asked."""
    assert main(["dead-letters", *arguments]) == 2
    assert named in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("command", [["list"], ["replay", "--execute"]])
def test_letters_without_a_broker_are_one_line(
    command: list[str], nobody: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with every command that needs one."""
    monkeypatch.setenv("JOURNEYS_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{nobody}")
    assert main(["dead-letters", *command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"journeys: no broker answers at 127.0.0.1:{nobody} (")


def test_resume_tells_which_workers_it_did_not_reach(nobody: int, capsys: pytest.CaptureFixture[str]) -> None:
    """All are asked; exit code 1, for people a line each and for programs JSON."""
    urls = [f"http://127.0.0.1:{nobody}", f"http://me:s3cret@localhost:{nobody}"]
    options = [option for url in urls for option in ("--url", url)]
    assert main(["dead-letters", "resume", *options]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert main(["dead-letters", "resume", "--json", *options]) == 1
    told = capsys.readouterr()
    assert [(answer["url"], answer["ok"]) for answer in json.loads(told.out)] == [
        (f"http://127.0.0.1:{nobody}", False),
        (f"http://***@localhost:{nobody}", False),
    ]
    assert "s3cret" not in told.out + told.err


@pytest.mark.slow
def test_what_the_output_cannot_encode_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal or a file that is not UTF-8 is no reason to end in a traceback."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUP_ID", "日本")
    done = python("-m", "journeys", "config", "show")
    assert done.returncode == 0, done.stderr
    assert r"JOURNEYS_KAFKA__GROUP_ID = \u65e5\u672c  (env)" in done.stdout


def test_config_show_tells_value_source_and_meaning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """For people: the variable, what holds, where it came from, what it means."""
    file = tmp_path / "j.toml"
    file.write_text("[ops]\nport = 0\n")
    monkeypatch.setenv("JOURNEYS_KAFKA__GROUP_ID", "mine")
    assert main(["config", "show", "--config", str(file)]) == 0
    told = capsys.readouterr().out
    assert "JOURNEYS_KAFKA__GROUP_ID = mine  (env)\n    Consumer group" in told
    assert "JOURNEYS_OPS__PORT = 0  (file)" in told
    assert "JOURNEYS_PUBLISH__LINGER = 100ms  (default)" in told


def test_config_show_hides_every_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In either form; what is no secret beside it stays readable."""
    monkeypatch.setenv("JOURNEYS_API__KEY", "s3cret")
    monkeypatch.setenv("JOURNEYS_KAFKA__CONFIG", '{"sasl.password": "s3cret", "sasl.username": "me"}')
    monkeypatch.setenv("JOURNEYS_REGISTRY__CONFIG", '{"basic.auth.user.info": "me:s3cret"}')
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", "http://me:s3cret@registry:8081")
    assert main(["config", "show"]) == 0
    assert main(["config", "show", "--json"]) == 0
    told = capsys.readouterr().out
    assert "s3cret" not in told
    rows = {row["key"]: row["value"] for row in json.loads(told[told.index("[\n") :])}
    assert rows["api.key"] == "***"
    assert rows["kafka.config"] == {"sasl.password": "***", "sasl.username": "me"}
    assert rows["registry.config"] == {"basic.auth.user.info": "***"}
    assert rows["registry.url"] == "http://***@registry:8081"


def test_the_reference_page_is_up_to_date() -> None:
    """`journeys config show --markdown > docs/settings.md` when this fails."""
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == as_markdown()
