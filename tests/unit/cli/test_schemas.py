"""`journeys schemas`: errors without a registry, and the export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.json_pages import differences

from journeys.cli import main
from journeys.producer.export import files


@pytest.mark.parametrize("command", ["register", "check"])
def test_missing_registry_is_reported_in_one_line(
    command: str, free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and the registry's address."""
    monkeypatch.setenv("JOURNEYS_REGISTRY__URL", f"http://127.0.0.1:{free_port}")
    assert main(["schemas", command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"http://127.0.0.1:{free_port}" in line


def test_schemas_are_exported_as_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that does not exist is created, and each file is named in the answer."""
    target = tmp_path / "new" / "avro"
    assert main(["schemas", "export", str(target)]) == 0
    assert [Path(line) for line in capsys.readouterr().out.splitlines()] == [target / name for name in files()]
    assert {path.name: path.read_text() for path in target.iterdir()} == files()
    assert main(["schemas", "export", str(target), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert differences("journeys schemas export", written) == []
    assert written == [str(target / name) for name in files()]


def test_export_to_an_unwritable_path_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with the path and the reason."""
    (tmp_path / "file").touch()
    assert main(["schemas", "export", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"journeys: cannot write {tmp_path}/file/AdsEvent.avsc: File exists\n"
