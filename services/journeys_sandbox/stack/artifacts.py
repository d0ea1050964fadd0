"""The pinned files of Apache Kafka and of the schema registry: downloaded once, checked once in each process.

`pins/*.txt` lists every file with its size and sha256. The download is checked first and then renamed into the cache,
so an interrupted download never counts as complete. A lock on the cache makes two processes take turns.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from journeys.errors import SetupError

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with (name of the part, bytes done, total bytes or None), by one thread at a time."""

_PINS = Path(__file__).with_name("pins")
_TRIES = 3
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One file of a part, by Maven coordinates."""

    sha256: str
    size: int
    group: str
    name: str
    version: str
    classifier: str = ""
    packaging: str = "jar"

    @property
    def filename(self) -> str:
        """The file's name in the cache."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


class DownloadError(Exception):
    """The file could not be downloaded: the network failed, or the server does not have it."""


Download: TypeAlias = Callable[[Pin, Path, Callable[[int], None]], Path]
"""Downloads a pinned file into a directory and reports the bytes as they arrive. Raises DownloadError or OSError."""


def parse_pins(text: str) -> tuple[Pin, ...]:
    """The pins of a list: `sha256 bytes group:name:version[:classifier:packaging]` a line, `#` for comments."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(_pin(sha256, int(size), coordinates) for sha256, size, coordinates in lines)


def _pin(sha256: str, size: int, coordinates: str) -> Pin:
    group, name, version, *rest = coordinates.split(":")
    classifier, packaging = rest or ("", "jar")
    return Pin(
        sha256=sha256,
        size=size,
        group=group,
        name=name,
        version=version,
        classifier=classifier,
        packaging=packaging,
    )


def cache_directory() -> Path:
    """The directory of downloads: JOURNEYS_SANDBOX_CACHE, else the user's cache, which all checkouts share.

    A checkout that has downloads in its own `.cache/` uses those.
    """
    if chosen := os.environ.get("JOURNEYS_SANDBOX_CACHE"):
        return Path(chosen).expanduser().resolve()
    own = Path(__file__).resolve().parents[3] / ".cache"
    if (own / "files").exists():
        return own
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "journeys"


def kafka_jars(progress: Progress | None = None) -> tuple[Path, ...]:
    """The class path of Apache Kafka. Raises SetupError if it is not cached and cannot be downloaded."""
    return _part("kafka", "Apache Kafka", cache_directory(), progress)


def registry_home(progress: Progress | None = None) -> Path:
    """The directory of the unpacked schema registry. Raises SetupError as `kafka_jars` does."""
    cache = cache_directory()
    (archive,) = _part("registry", "schema registry", cache, progress)
    home = cache / archive.name.removesuffix(".tar.gz")
    with _locked(cache):
        if not home.exists():
            _sweep(cache)
            unpack(archive, home)
    return home


_checked: dict[tuple[str, Path], tuple[Path, ...]] = {}


def _part(part: str, title: str, cache: Path, progress: Progress | None) -> tuple[Path, ...]:
    """The files of a part. Checks them once in each process, and downloads missing or damaged ones."""
    if (part, cache) not in _checked:
        pins = parse_pins((_PINS / f"{part}.txt").read_text())
        with _locked(cache):
            _checked[part, cache] = fetch_all(pins, cache / "files", title, progress)
    return _checked[part, cache]


def fetch_all(
    pins: tuple[Pin, ...], into: Path, title: str, progress: Progress | None, download: Download | None = None
) -> tuple[Path, ...]:
    """The paths of all pinned files in the directory `into`, downloaded side by side. The caller holds the lock."""
    into.mkdir(parents=True, exist_ok=True)
    _sweep(into)
    missing = [pin for pin in pins if not _is_whole(into / pin.filename, pin)]
    if missing:
        stop = threading.Event()
        report = _adder(title, sum(pin.size for pin in missing), progress, stop)
        fetch = functools.partial(_fetch, into=into, report=report, download=download or _download)
        with ThreadPoolExecutor(max_workers=6) as pool:
            try:
                list(pool.map(fetch, missing))
            except BaseException:  # Ctrl-C too: queued downloads never start, running ones end with their next bytes
                stop.set()
                raise
    return tuple(into / pin.filename for pin in pins)


def _sweep(directory: Path) -> None:
    """Remove the leftovers of killed processes. The caller holds the lock, so no other process uses them."""
    for leftover in directory.glob(".part-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _adder(title: str, total: int, progress: Progress | None, stop: threading.Event) -> Callable[[int], None]:
    """A thread-safe function that adds bytes and reports the sum to `progress`. Raises CancelledError after `stop`."""
    lock = threading.Lock()
    done = 0

    def add(count: int) -> None:
        nonlocal done
        if stop.is_set():
            raise CancelledError
        with lock:
            done += count
            if progress is not None:
                progress(title, done, total)

    add(0)
    return add


def _fetch(pin: Pin, *, into: Path, report: Callable[[int], None], download: Download) -> None:
    """Download one file in at most `_TRIES` tries, check it and move it into place. Raises SetupError."""
    reason: Exception | None = None
    for _ in range(_TRIES):
        with tempfile.TemporaryDirectory(prefix=".part-", dir=into) as part:
            try:
                fresh = download(pin, Path(part), report)
            except DownloadError as error:
                reason = error
                continue
            if _is_whole(fresh, pin):
                fresh.replace(into / pin.filename)
                return
            reason = DownloadError("the file differs from its pinned checksum")
    raise SetupError(
        f"could not download {pin.filename}: {reason}",
        remedy="go online (or set HTTPS_PROXY) for the first start; later ones need no network",
    ) from reason


def _download(pin: Pin, into: Path, report: Callable[[int], None]) -> Path:
    """The only door to jgo, which resolves Maven coordinates. Imported for the first download only."""
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415  # half a second, and an optional extra
    except ImportError as error:
        raise missing_extra(error) from error

    @contextmanager
    def progress(_filename: str, _total: int) -> Iterator[Callable[[int], None]]:
        yield report

    resolver = PythonResolver(progress_callback=progress)
    context = MavenContext(resolver=resolver, repo_cache=into, timeout=_TIMEOUT_S)
    component = context.project(pin.group, pin.name).at_version(pin.version)
    try:
        path = resolver.download(component.artifact(classifier=pin.classifier, packaging=pin.packaging))
    except RuntimeError as error:
        raise DownloadError("the server does not have it") from error
    except OSError as error:
        if error.errno is not None:  # an error of the disk; network errors are OSErrors without a number
            raise SetupError(f"cannot write {pin.filename}: {error.strerror}") from error
        raise DownloadError(f"no connection ({type(error).__name__})") from error
    if path is None:
        raise DownloadError("the server does not have it")
    return path


def missing_extra(error: ImportError) -> SetupError:
    """The error for a missing package of the sandbox's extra."""
    return SetupError(f"the sandbox needs the Python package {error.name}", remedy="pip install '.[demo]'")


def _is_whole(path: Path, pin: Pin) -> bool:
    """Whether the file exists with the pinned size and sha256."""
    if not path.is_file() or path.stat().st_size != pin.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == pin.sha256


def unpack(archive: Path, home: Path) -> None:
    """Unpack beside the target, then rename, so that a half-unpacked archive never has the final name."""
    with tempfile.TemporaryDirectory(prefix=".part-", dir=home.parent) as part:
        with tarfile.open(archive) as tar:
            if data_filter := getattr(tarfile, "data_filter", None):  # Python 3.11.4 and later (PEP 706)
                tar.extraction_filter = data_filter
            tar.extractall(part)  # noqa: S202 - the archive is pinned by its sha256
        fresh = Path(part, "fresh")
        fresh.mkdir()
        for entry in [entry for entry in Path(part).iterdir() if entry != fresh]:
            entry.rename(fresh / entry.name)
        fresh.rename(home)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Hold the cache's lock. The operating system releases it when the process ends, even by SIGKILL."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / "lock").open("w")
    except OSError as error:
        raise SetupError(
            f"cannot write to the download cache: {error.strerror}",
            remedy="set JOURNEYS_SANDBOX_CACHE to a directory that you may write to",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
