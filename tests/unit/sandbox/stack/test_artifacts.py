"""The download cache: only whole files enter it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from journeys.errors import SetupError
from journeys_sandbox.stack.artifacts import DownloadError, Pin, cache_directory, fetch_all, parse_pins, unpack

CONTENT = b"a jar" * 100
PIN = Pin(sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT), group="g", name="jar", version="1")


class Server:
    """Answers each download with the next of `bodies`; None is a lost connection."""

    def __init__(self, *bodies: bytes | None) -> None:
        self.bodies = list(bodies)

    def __call__(self, pin: Pin, into: Path, report: Callable[[int], None]) -> Path:
        """Serve one download."""
        body = self.bodies.pop(0)
        if body is None:
            raise DownloadError("lost")
        path = into / pin.filename
        path.write_bytes(body)
        report(len(body))
        return path


def test_coordinates_are_read() -> None:
    """A line gives checksum, size and coordinates; classifier and packaging are optional."""
    plain, full = parse_pins("# remark\nab 1 g:n:2\ncd 3 g:n:2:all:tar.gz\n")
    assert (plain.filename, plain.sha256, plain.size) == ("n-2.jar", "ab", 1)
    assert full.filename == "n-2-all.tar.gz"


def test_a_downloaded_file_is_cached(tmp_path: Path) -> None:
    """A file is downloaded once, with progress shown; the second time the network is not used."""
    reported: list[tuple[str, int, int | None]] = []
    (path,) = fetch_all((PIN,), tmp_path, "part", lambda *what: reported.append(what), Server(CONTENT))
    assert path.read_bytes() == CONTENT
    assert reported == [("part", 0, 500), ("part", 500, 500)]
    assert fetch_all((PIN,), tmp_path, "part", None, Server()) == (path,)


@pytest.mark.parametrize("bad", [CONTENT[:-1], b"b" + CONTENT[1:], b"", None], ids=["cut", "changed", "empty", "lost"])
def test_a_bad_download_is_tried_again(tmp_path: Path, bad: bytes | None) -> None:
    """A file that is cut off, changed or lost never enters the cache; the next try may succeed."""
    (path,) = fetch_all((PIN,), tmp_path, "part", None, Server(bad, CONTENT))
    assert path.read_bytes() == CONTENT


def test_a_failed_download_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    """After three tries the error names the file and the remedy, and no file is left behind."""
    with pytest.raises(SetupError, match=r"jar-1\.jar: lost") as caught:
        fetch_all((PIN,), tmp_path, "part", None, Server(None, None, None))
    assert "go online" in str(caught.value.remedy)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_stops_the_others(tmp_path: Path) -> None:
    """If one download fails for good, or on Ctrl-C, the others end with their next bytes."""
    endless = replace(PIN, name="endless")

    def download(pin: Pin, _into: Path, report: Callable[[int], None]) -> Path:
        while pin is endless:
            report(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_all((PIN, endless), tmp_path, "part", None, download)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_cache_mends_itself(tmp_path: Path) -> None:
    """A cached file with a wrong checksum is replaced, and the remains of a killed download are removed."""
    (tmp_path / PIN.filename).write_bytes(b"b" + CONTENT[1:])
    (tmp_path / ".part-old").mkdir()
    (path,) = fetch_all((PIN,), tmp_path, "part", None, Server(CONTENT))
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_the_cache_directory_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """JOURNEYS_SANDBOX_CACHE names the directory. Otherwise it is the user's, unless this checkout has downloads."""
    monkeypatch.setenv("JOURNEYS_SANDBOX_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("JOURNEYS_SANDBOX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = Path(__file__).parents[4] / ".cache"
    assert cache_directory() == (own if (own / "files").exists() else tmp_path / "journeys")


@pytest.mark.parametrize("old", [False, True])
def test_archive_is_unpacked_with_and_without_filters_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, old: bool
) -> None:
    """Before Python 3.11.4, as Debian 12 has it, `tarfile` knows no filters (PEP 706)."""
    (tmp_path / "jar").write_bytes(CONTENT)
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "jar", "lib/jar")
    if old and hasattr(tarfile, "data_filter"):
        extract = tarfile.TarFile.extractall
        monkeypatch.setattr(tarfile.TarFile, "extractall", lambda tar, path: extract(tar, path, filter="data"))
        monkeypatch.delattr(tarfile, "data_filter")
    unpack(archive, tmp_path / "home")
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "home").rglob("jar")] == [("jar", CONTENT)]
