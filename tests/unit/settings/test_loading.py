"""Loading settings: the two sources, and every way to get them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.wrong_settings import problems

from journeys.settings import Settings, load, load_with_sources


def test_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """Each value comes from the nearest source, and the source is known."""
    file = tmp_path / "journeys.toml"
    file.write_text('[kafka]\ngroup_id = "file"\nbootstrap_servers = "file:9092"\n[ops]\nport = 0\n')
    found = load_with_sources(file, {"JOURNEYS_KAFKA__GROUP_ID": "env"})
    assert found.settings.kafka.group_id == "env"
    assert found.settings.kafka.bootstrap_servers == "file:9092"
    assert found.sources == {"kafka.group_id": "env", "kafka.bootstrap_servers": "file", "ops.port": "file"}


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    """JOURNEYS_CONFIG stands in for the option."""
    file = tmp_path / "journeys.toml"
    file.write_text('[logs]\nlevel = "debug"\n')
    assert load(None, {"JOURNEYS_CONFIG": str(file)}).logs.level == "debug"


def test_lists_are_json_or_commas_and_objects_are_json() -> None:
    """Both spellings of a list mean the same."""
    written = {"JOURNEYS_ORDERS__TOPICS": '["a", "b"]', "JOURNEYS_API__CODES": '{"401": "auth"}'}
    assert load(None, written).orders.topics == load(None, {"JOURNEYS_ORDERS__TOPICS": "a, b"}).orders.topics
    assert load(None, written).api.codes == {401: "auth"}
    assert load(None, {"JOURNEYS_API__EMPTY_AFTER": "[]"}).api.empty_after == ()


def test_an_empty_variable_is_not_set() -> None:
    """`${KEY:-}` in a compose file hands over an empty text."""
    assert load(None, {"JOURNEYS_API__KEY": "", "JOURNEYS_OPS__PORT": ""}) == Settings()


def test_every_problem_is_found_at_once(tmp_path: Path) -> None:
    """One run names all that is wrong, each as it was written."""
    file = tmp_path / "j.toml"
    file.write_text('kafk = 1\nops = 3\n[orders]\nmax_in_han = 3\nretry_tiers = ["1h", "1m"]\n[api]\nzone = "Mars"\n')
    found = problems(
        {
            "JOURNEYS_OPS__PORT": "99999",
            "JOURNEYS_API__CODES": "{nonsense",
            "JOURNEYS_API__CONNECT_TIMEOUT": "soon",
            "JOURNEYS_KAFKA_GROUP_ID": "x",
            "journeys_logs__level": "info",
            "JOURNEYS_ORDERS__TOPICS": "good,not good",
        },
        file,
    )
    assert found == {
        f"kafk in {file}": "no such group; did you mean kafka?",
        f"ops in {file}": "must be a table: [ops]",
        f"orders.max_in_han in {file}": "no such setting; did you mean orders.max_in_hand?",
        f"orders.retry_tiers in {file}": "must grow from tier to tier",
        f"api.zone in {file}": "must be a time zone such as UTC or Europe/Paris",
        "JOURNEYS_OPS__PORT": "should be less than or equal to 65535",
        "JOURNEYS_API__CODES": "is not JSON (line 1, column 2)",
        "JOURNEYS_API__CONNECT_TIMEOUT": "must be a duration such as 500ms, 30s, 1m, 2h or 7d",
        "JOURNEYS_KAFKA_GROUP_ID": "no such setting; did you mean JOURNEYS_KAFKA__GROUP_ID?",
        "journeys_logs__level": "no such setting; did you mean JOURNEYS_LOGS__LEVEL?",
        "JOURNEYS_ORDERS__TOPICS": "item 2: must be a topic name: letters, digits, '.', '_' and '-', at most 249",
    }


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Neither a complaint nor a representation holds what was secret."""
    file = tmp_path / "j.toml"
    file.write_text('[api]\nkey = "tops\u00e9cret"\n[kafka]\nconfig = { "sasl.password" = ["topsecret"] }\n')
    shown = str(problems({"JOURNEYS_REGISTRY__CONFIG": '{"topsecret'}, file))
    file.write_text('[api]\nkey = "topsecret\n')
    shown += str(problems({}, file))
    environ = {
        "JOURNEYS_API__KEY": "topsecret",
        "JOURNEYS_KAFKA__CONFIG": '{"sasl.password": "topsecret"}',
        "JOURNEYS_REGISTRY__CONFIG": '{"basic.auth.user.info": "me:topsecret"}',
        "JOURNEYS_REGISTRY__URL": "http://me:topsecret@registry:8081",
    }
    shown += repr(load(None, environ))
    assert "tops" not in shown


def test_unreadable_config_files_are_named(tmp_path: Path) -> None:
    """A wrong path is a problem like any other."""
    missing = tmp_path / "none.toml"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert problems({}, missing) == {str(missing): "cannot be read: No such file or directory"}
    assert problems({}, binary) == {str(binary): "is not UTF-8"}


DIGITS = "9" * 400


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "is nested too deeply"),
        (f'{{"a": {DIGITS * 20}}}', "holds a number of too many digits"),
        (r'{"sasl.password": "\ud800"}', "holds half of a surrogate pair"),
    ],
)
def test_unreadable_json_is_a_wrong_setting(text: str, problem: str) -> None:
    """Told in a line, like any other."""
    assert problems({"JOURNEYS_KAFKA__CONFIG": text}) == {"JOURNEYS_KAFKA__CONFIG": problem}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = " + "[" * 100_000, "is nested too deeply"),
        (f"[api]\nrate = {DIGITS * 20}\n", "holds a number of too many digits"),
    ],
)
def test_unreadable_toml_is_a_wrong_setting(text: str, problem: str, tmp_path: Path) -> None:
    """As with JSON."""
    file = tmp_path / "j.toml"
    file.write_text(text)
    assert problems({}, file) == {str(file): problem}


def test_numbers_beyond_a_float_are_wrong_settings(tmp_path: Path) -> None:
    """TOML's integers have no end."""
    file = tmp_path / "j.toml"
    file.write_text(f"[api]\nrate = {DIGITS}\nread_timeout = {DIGITS}\n")
    assert problems({}, file) == {
        f"api.rate in {file}": "must be a number of 0 or more, or auto",
        f"api.read_timeout in {file}": "must be a duration of 0 to 36500d",
    }


def test_kubernetes_service_variables_are_ignored() -> None:
    """A Service named `journeys` puts these into every pod of its namespace."""
    environ = {
        "JOURNEYS_PORT": "tcp://10.0.0.1:8080",
        "JOURNEYS_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "JOURNEYS_PORT_8080_TCP_ADDR": "10.0.0.1",
        "JOURNEYS_API_SERVICE_HOST": "10.0.0.1",
        "JOURNEYS_SERVICE_PORT_HTTP": "8080",
        "JOURNEYS_SANDBOX_CACHE": "cache",
    }
    assert load(None, environ) == Settings()
    assert load(None, {"JOURNEYS_OPS__PORT": "1"}).ops.port == 1
