"""Settings: defaults, the two sources, and every way to get them wrong."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.errors import SettingsError
from journeys.producer.channels import Channel
from journeys.settings import Settings, load, load_with_sources
from journeys.settings.loading import env_name, setting_names
from journeys.settings.model import ChannelName
from journeys.settings.values import format_duration, format_size, parse_duration, parse_size


def problems(environ: dict[str, str], file: Path | None = None) -> dict[str, str]:
    """What `load` complains about, by setting."""
    with pytest.raises(SettingsError) as caught:
        load(file, environ)
    return dict(caught.value.problems)


def test_nothing_set_is_the_defaults() -> None:
    """Nothing has to be set to try things out on one machine."""
    settings = load(None, {"PATH": "/bin"})
    assert settings == Settings()
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    assert settings.orders.topics == ("orders.completed",)
    assert settings.api.base_url == "https://data.api.attribuly.com"
    assert settings.api.current_key() is None
    assert settings.api.tzinfo is UTC
    assert settings.ops.port == 8080


def test_tiers_have_topics_and_seconds() -> None:
    """A tier's topic ends in the delay as it was written."""
    settings = load(None, {"JOURNEYS_ORDERS__RETRY_TIERS": "30s, 60m"})
    assert settings.orders.tiers == (("orders.retry.30s", 30.0), ("orders.retry.60m", 3600.0))


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


def test_librdkafka_settings_keep_their_types() -> None:
    """Numbers stay numbers, texts stay texts."""
    config = load(None, {"JOURNEYS_KAFKA__CONFIG": '{"a": 1, "b": true, "c": "1", "d": 0.5}'}).kafka.config
    assert config == {"a": 1, "b": True, "c": "1", "d": 0.5}
    assert [type(value) for value in config.values()] == [int, bool, str, float]


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


@pytest.mark.parametrize(
    "key",
    [
        "isolation.level",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "transactional.id",
        "group.id",
        "group.protocol",
        "auto.offset.reset",
        "partition.assignment.strategy",
        "max.in.flight",
        "delivery.report.only.error",
        "partitioner",
        "bootstrap.servers",
    ],
)
def test_what_exactly_once_rests_on_is_refused(key: str) -> None:
    """Librdkafka's own settings may not undo the guarantee."""
    assert key in problems({"JOURNEYS_KAFKA__CONFIG": f'{{"{key}": "1"}}'})["JOURNEYS_KAFKA__CONFIG"]


def test_session_times_belong_to_the_broker_under_kip_848() -> None:
    """The client would refuse them later, less clearly."""
    config = {"JOURNEYS_KAFKA__CONFIG": '{"session.timeout.ms": 6000}'}
    assert load(None, config).kafka.config == {"session.timeout.ms": 6000}
    found = problems({**config, "JOURNEYS_KAFKA__GROUP_PROTOCOL": "consumer"})
    assert "session.timeout.ms belongs to the broker" in found["JOURNEYS_KAFKA__CONFIG"]


@pytest.mark.parametrize("topic", ["journey.ads", "orders.retry.1m", "orders.dead-letter"])
def test_orders_are_not_read_from_what_is_written(topic: str) -> None:
    """A worker that reads its own output never ends."""
    assert "round in circles" in problems({"JOURNEYS_ORDERS__TOPICS": topic})["JOURNEYS_ORDERS__TOPICS"]


def test_the_key_comes_from_a_file_and_is_read_anew(tmp_path: Path) -> None:
    """A key that was replaced is found without a restart."""
    file = tmp_path / "key"
    file.write_text("one\n")
    settings = load(None, {"JOURNEYS_API__KEY_FILE": str(file)})
    assert settings.api.current_key() == "one"
    file.write_text("two\n")
    assert settings.api.current_key() == "two"


def test_a_key_file_that_is_no_use_is_named(tmp_path: Path) -> None:
    """Missing, empty, or one key too many."""
    empty = tmp_path / "empty"
    empty.touch()
    name = "JOURNEYS_API__KEY_FILE"
    assert problems({name: str(tmp_path / "none")}) == {name: "cannot be read: No such file or directory"}
    assert problems({name: str(empty)}) == {name: "must hold one line of printable ASCII"}
    assert "leave one of the two out" in problems({name: str(empty), "JOURNEYS_API__KEY": "k"})[name]


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Neither a complaint nor a representation holds what was secret."""
    file = tmp_path / "j.toml"
    file.write_text('[api]\nkey = "tops\u00e9cret"\n[kafka]\nconfig = { "sasl.password" = ["topsecret"] }\n')
    told = str(problems({"JOURNEYS_REGISTRY__CONFIG": '{"topsecret'}, file))
    file.write_text('[api]\nkey = "topsecret\n')
    told += str(problems({}, file))
    environ = {
        "JOURNEYS_API__KEY": "topsecret",
        "JOURNEYS_KAFKA__CONFIG": '{"sasl.password": "topsecret"}',
        "JOURNEYS_REGISTRY__CONFIG": '{"basic.auth.user.info": "me:topsecret"}',
        "JOURNEYS_REGISTRY__URL": "http://me:topsecret@registry:8081",
    }
    told += repr(load(None, environ))
    assert "tops" not in told


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A wrong path is told like any other wrong setting."""
    missing = tmp_path / "none.toml"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert problems({}, missing) == {str(missing): "cannot be read: No such file or directory"}
    assert problems({}, binary) == {str(binary): "is not UTF-8"}


DIGITS = "9" * 400


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "is nested too deeply"),
        (f'{{"a": {DIGITS * 20}}}', "holds a number of too many digits"),
        (r'{"sasl.password": "\ud800"}', "holds half of a surrogate pair"),
    ],
)
def test_json_that_python_does_not_take_is_a_wrong_setting(text: str, told: str) -> None:
    """Told in a line, like any other."""
    assert problems({"JOURNEYS_KAFKA__CONFIG": text}) == {"JOURNEYS_KAFKA__CONFIG": told}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = " + "[" * 100_000, "is nested too deeply"),
        (f"[api]\nrate = {DIGITS * 20}\n", "holds a number of too many digits"),
    ],
)
def test_toml_that_python_does_not_take_is_a_wrong_setting(text: str, told: str, tmp_path: Path) -> None:
    """As with JSON."""
    file = tmp_path / "j.toml"
    file.write_text(text)
    assert problems({}, file) == {str(file): told}


def test_numbers_beyond_any_float_are_wrong_settings(tmp_path: Path) -> None:
    """TOML's integers have no end."""
    file = tmp_path / "j.toml"
    file.write_text(f"[api]\nrate = {DIGITS}\nread_timeout = {DIGITS}\n")
    assert problems({}, file) == {
        f"api.rate in {file}": "must be a number of 0 or more, or auto",
        f"api.read_timeout in {file}": "must be a duration of 0 to 36500d",
    }


def test_variables_that_kubernetes_sets_are_no_settings() -> None:
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


@pytest.mark.parametrize("url", ["registry:8081", "ftp://x", "http://", "http://x?y=1", "http://x y", "http://x:port"])
def test_addresses_are_checked(url: str) -> None:
    """Before any connection."""
    assert "http:// or https://" in problems({"JOURNEYS_REGISTRY__URL": url})["JOURNEYS_REGISTRY__URL"]


def test_addresses_lose_their_last_slash() -> None:
    """Paths are joined with one slash."""
    assert load(None, {"JOURNEYS_API__BASE_URL": "http://x/y/"}).api.base_url == "http://x/y"


def test_channel_names_are_the_producers() -> None:
    """Settings may not import the producer; this holds the two lists together."""
    assert set(get_args(ChannelName)) == {channel.value for channel in Channel}


def test_every_setting_has_a_description() -> None:
    """`config show` and the reference print it."""
    assert [env_name(group, name) for group, name, info in setting_names() if not info.description] == []


@given(st.integers(0, 10**9).map(lambda millis: millis / 1000))
def test_durations_survive_being_written(seconds: float) -> None:
    """What `config show` prints can be set again."""
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@given(st.integers(0, 2**50))
def test_sizes_survive_being_written(size: int) -> None:
    """What `config show` prints can be set again."""
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    "value",
    ["", "1w", "-1s", "1e3", True, None, float("nan"), float("inf"), -1, "٣s", "36501d", f"{DIGITS[:306]}s", 10**400],
)
def test_what_is_no_duration(value: object) -> None:
    """Only plain numbers and known units."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


def test_rate_and_settle_know_the_servers_of_the_document() -> None:
    """`auto` is 20/s and half an hour there, and off anywhere else; what is set holds everywhere."""
    ours = {"JOURNEYS_API__BASE_URL": "http://127.0.0.1:9/"}
    test_server = {"JOURNEYS_API__BASE_URL": "https://DATA-api.test.attribuly.com"}
    own = {"JOURNEYS_API__RATE": "0.5", "JOURNEYS_ORDERS__SETTLE": "90s"}
    off = {"JOURNEYS_API__RATE": "0", "JOURNEYS_ORDERS__SETTLE": "0"}
    found = [load(None, environ) for environ in ({}, test_server, ours, ours | own, off)]
    assert [settings.api.ceiling for settings in found] == [20.0, 20.0, None, 0.5, None]
    assert [settings.settle for settings in found] == [1800.0, 1800.0, 0.0, 90.0, 0.0]


@pytest.mark.parametrize("rate", ["fast", "-1", "inf", "nan"])
def test_a_rate_that_is_none_is_named(rate: str) -> None:
    """The setting, and what it may be."""
    with pytest.raises(SettingsError) as wrong:
        load(None, {"JOURNEYS_API__RATE": rate})
    assert wrong.value.problems == [("JOURNEYS_API__RATE", "must be a number of 0 or more, or auto")]
