"""The commands of the documents, typed against real Kafka, print what the pages show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.broker.workers import Crew, Ended, crew, run_program, until
from tests.support.document_blocks import Command, commands

import attribution.cli
from journeys_sandbox.api.server import StandInThread
from journeys_sandbox.stack.stack import Stack

NOT_TYPED = {
    "make demo": "test_demo.py runs the demo, and compares what it prints",
    "make test": "runs these tests",
    "pip install .": "tests/extra/test_tutorial.py installs",
    "python3 -m venv .venv && . .venv/bin/activate": "tests/extra/test_tutorial.py installs",
    "pip install '.[demo]' ./examples/attribution": "tests/extra/test_tutorial.py installs",
    "python -m journeys_sandbox | tee sandbox.env": "test_sandbox.py starts it, and compares what it prints",
    ". .venv/bin/activate && . ./sandbox.env": "the tests share a sandbox",
    "export JOURNEYS_KAFKA__BOOTSTRAP_SERVERS=kafka:9092": "an address of the reader's own",
    "export JOURNEYS_REGISTRY__URL=http://registry:8081": "an address of the reader's own",
    "export JOURNEYS_API__KEY_FILE=/run/secrets/order-event-api-key": "a key of the reader's own",
}
"""Commands that these tests leave out, each with the reason."""
SCENES = (("README.md", "docs/operations.md"), ("docs/tutorial.md",))
"""The documents whose commands are typed in one place, one after the other."""


@pytest.fixture
def newcomer(stack: Stack, namespace: str) -> Iterator[Crew]:
    """Kafka, a registry and the API, without topics, schemas and workers."""
    with StandInThread() as api:
        settings = {
            **stack.environment,
            "JOURNEYS_KAFKA__GROUP_ID": f"{namespace}journeys",
            "JOURNEYS_ORDERS__TOPICS": f"{namespace}orders.completed",
            "JOURNEYS_ORDERS__RETRY_PREFIX": f"{namespace}journeys.retry.",
            "JOURNEYS_ORDERS__DEAD_LETTER": f"{namespace}orders.dead-letter",
            "JOURNEYS_PUBLISH__TOPIC_PREFIX": f"{namespace}journey.",
            "JOURNEYS_API__BASE_URL": api.url,
        }
        with crew(settings) as workers:
            yield workers


@pytest.mark.parametrize("documents", SCENES)
def test_commands_print_what_the_page_shows(
    documents: tuple[str, ...], newcomer: Crew, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed in their order, once each, commands exit with 0. They print what the pages show, but for our own prefix."""
    monkeypatch.chdir(tmp_path)
    shown: dict[str, Command] = {}
    for command in (command for document in documents for command in commands(document)):
        shown.setdefault(command.text, command)
    for command in shown.values():
        if command.text.endswith("journeys run"):
            newcomer.hire()  # at any free port
        elif command.text not in NOT_TYPED:
            assert_prints(newcomer, command, namespace)
    for worker in newcomer.workers:
        worker.until("worker.started")


def test_commands_left_out_are_in_the_documents() -> None:
    """The list of commands that the tests leave out has none that no document shows."""
    documents = (document for scene in SCENES for document in scene)
    assert NOT_TYPED.keys() <= {command.text for document in documents for command in commands(document)}


def assert_prints(newcomer: Crew, command: Command, namespace: str) -> None:
    """Type a command. Type one that only looks again, until the worker has published what it shows."""

    def as_shown() -> bool:
        ended = typed(newcomer, command.text)
        print(f"$ {command.text}\n{ended.stdout}{ended.stderr}")  # noqa: T201 - pytest shows it if the test fails
        return ended.code == 0 and command.prints(ended.stdout.replace(namespace, ""))

    if command.text.startswith(("journeys show ", "journeys lag")):
        until(as_shown, command.text)
    else:
        assert as_shown(), command


def typed(newcomer: Crew, command: str) -> Ended:
    """Run a command of `journeys` or `attribution` in this process."""
    program, *words = command.removesuffix(" --replication-factor 3").split()  # these tests have one broker
    if program == "attribution":
        return run_program(attribution.cli.main, words, newcomer.environment)
    assert program == "journeys", command
    return newcomer.run(*words)
