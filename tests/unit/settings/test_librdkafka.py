"""Names of librdkafka's properties: the list is the library's own, and a name that does not fit is refused."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import confluent_kafka
import pytest
from tests.support.wrong_settings import problems

from journeys.settings.librdkafka import PROPERTIES


def test_the_list_of_properties_is_that_of_the_library(tmp_path: Path) -> None:
    """After an update of confluent-kafka, this shows which names came and went."""
    [library] = (Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka-*")
    written = tmp_path / "properties.md"
    c = ctypes.CDLL(None)
    c.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(c.fopen(bytes(written), b"w"))
    ctypes.CDLL(str(library)).rd_kafka_conf_properties_show(file)
    c.fclose(file)
    rows = re.findall(r"^([a-z0-9._]+) +\|.*\*Type: (.*)\*$", written.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name, value in rows if value != "see dedicated API"} == PROPERTIES


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sesion.timeout.ms", "did you mean session.timeout.ms?"),
        ("sasl_password", "did you mean sasl.password?"),
        ("qqqq", "qqqq is no property of librdkafka"),
        ("error_cb", "error_cb takes a function, not a setting"),
        ("logger", "logger takes a function, not a setting"),
        ("oauth_cb", "oauth_cb takes a function, not a setting: use sasl.oauthbearer.method"),
        ("default.topic.config", "default.topic.config is a table: set its entries beside the others"),
    ],
)
def test_a_name_that_is_no_property_is_refused(name: str, message: str) -> None:
    """The refusal names the key and the nearest right one, whatever its value is."""
    for value in ('"1"', "{}"):
        [(setting, what)] = problems({"JOURNEYS_KAFKA__CONFIG": f'{{"{name}": {value}}}'}).items()
        assert setting == "JOURNEYS_KAFKA__CONFIG"
        assert what.endswith(message)
