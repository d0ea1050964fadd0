"""Java classes that are generated from the exported protocol read our records."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support import sample_order

from journeys.producer.export import files
from journeys_sandbox.stack import artifacts

JAVA = Path(__file__).parent / "java"
TRUST = "-Dorg.apache.avro.SERIALIZABLE_PACKAGES=journeys.v1"
"""Avro for Java 1.12.2 loads generated classes only from packages that the program allows."""

pytestmark = [
    pytest.mark.extra,
    pytest.mark.timeout(900),  # the first run downloads
    pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK: javac is not on the PATH"),
]


@pytest.fixture(scope="module")
def avro_tools() -> Path:
    """The jar of avro-tools from Maven Central, Avro's own library included."""
    cache = artifacts.cache_directory()
    pins = artifacts.parse_pins((JAVA / "pins.txt").read_text())
    with artifacts._locked(cache):
        [jar] = artifacts.fetch_all(pins, cache / "files", "avro-tools", None)
    return jar


def run(*command: str | Path) -> str:
    """The output of a command that succeeds; the errors of one that fails are shown."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)  # noqa: S603 - tests' own
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def export(directory: Path) -> None:
    """Write the exported files into a new directory."""
    directory.mkdir(parents=True)
    for name, text in files().items():
        (directory / name).write_text(text)


def generate(avro_tools: Path, place: Path, *options: str) -> Path:
    """Directory of the classes that avro-tools makes of the protocol with these options, and of `ReadOther`."""
    export(place / "avro")
    sources, classes = place / "sources", place / "classes"
    compiler: tuple[str | Path, ...] = ("java", "-jar", avro_tools, "compile", "-string", *options, "protocol")
    run(*compiler, place / "avro" / "journeys.avpr", sources)
    run("javac", "-cp", avro_tools, "-d", classes, *sources.rglob("*.java"), JAVA / "ReadOther.java")
    return classes


def reading(avro_tools: Path, classes: Path) -> tuple[str | Path, ...]:
    """The command that reads a record with these classes, and prints what the record holds."""
    value = next(record.value for record in sample_order.records() if record.topic == "journey.other")
    framed = classes / "value.bin"
    framed.write_bytes(value or b"")
    return "java", TRUST, "-cp", f"{avro_tools}:{classes}", "ReadOther", framed


def assert_reads(avro_tools: Path, classes: Path) -> None:
    """The program prints what the sample's record holds."""
    event = sample_order.decoded("other")[0]
    assert run(*reading(avro_tools, classes)).splitlines() == [
        event["order_id"],
        f"{event['event_at']:%Y-%m-%dT%H:%M:%SZ}",
        event["creator"]["creator_name"],
        event["products"][0]["product_name"],
        str(event["products"][0]["price"]),
        str(event["checkout_completed"]["total_price"]),
    ]


def test_classes_of_avro_tools_read_a_record(avro_tools: Path, tmp_path: Path) -> None:
    """The protocol compiles with decimals as BigDecimal."""
    assert_reads(avro_tools, generate(avro_tools, tmp_path, "-bigDecimal"))


def test_classes_without_decimals_cannot_read_a_record(avro_tools: Path, tmp_path: Path) -> None:
    """docs/schemas.md warns of it: the option is not a matter of taste."""
    command = reading(avro_tools, generate(avro_tools, tmp_path))
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)  # noqa: S603 - tests' own
    assert "java.lang.ClassCastException" in done.stderr


@pytest.mark.skipif(shutil.which("mvn") is None, reason="needs Maven: mvn is not on the PATH")
def test_classes_of_the_maven_plugin_read_a_record(avro_tools: Path, tmp_path: Path) -> None:
    """avro-maven-plugin compiles the protocol with `enableDecimalLogicalType`."""
    shutil.copy(JAVA / "pom.xml", tmp_path)
    export(tmp_path / "src" / "main" / "avro")
    program = tmp_path / "src" / "main" / "java"
    program.mkdir()
    shutil.copy(JAVA / "ReadOther.java", program)
    run("mvn", "--quiet", "--batch-mode", "--file", tmp_path / "pom.xml", "compile")
    assert_reads(avro_tools, tmp_path / "target" / "classes")
