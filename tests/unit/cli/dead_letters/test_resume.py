"""`journeys dead-letters resume`, without workers."""

from __future__ import annotations

import json

import pytest
from tests.support.json_pages import differences

from journeys.cli import main


def test_resume_reports_each_worker_that_it_did_not_reach(free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """All workers are asked; exit code 1, with a line each for people and JSON for programs."""
    urls = [f"http://127.0.0.1:{free_port}", f"http://me:s3cret@localhost:{free_port}"]
    options = [option for url in urls for option in ("--url", url)]
    assert main(["dead-letters", "resume", *options]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert main(["dead-letters", "resume", "--json", *options]) == 1
    shown = capsys.readouterr()
    answers = json.loads(shown.out)
    assert differences("journeys dead-letters resume", answers) == []
    assert [(answer["url"], answer["ok"]) for answer in answers] == [
        (f"http://127.0.0.1:{free_port}", False),
        (f"http://***@localhost:{free_port}", False),
    ]
    assert "s3cret" not in shown.out + shown.err
