"""The pinned parts: Apache Kafka and the schema registry, downloaded once, checked each time they are first used.

`pins/*.txt` names every file with its size and sha256. A file enters the cache by a rename, after its checksum
was right: a download cut off half-way is never taken for whole. A lock on the cache makes two processes take turns.
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
"""Called with (name of the part, bytes done, bytes in all or None); from one thread at a time."""

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
        """What the file is called in the cache."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


class DownloadError(Exception):
    """The network, or the server behind it, did not give the file."""


Download: TypeAlias = Callable[[Pin, Path, Callable[[int], None]], Path]
"""Put a pinned file below a directory, telling the bytes as they come. Raises DownloadError or OSError."""


def parse_pins(text: str) -> tuple[Pin, ...]:
    """The pins of a list: `sha256 bytes group:name:version[:classifier:packaging]` a line, `#` for remarks."""
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
    """Where downloads live: JOURNEYS_SANDBOX_CACHE, else `.cache/` of the checkout, else the user's cache."""
    if chosen := os.environ.get("JOURNEYS_SANDBOX_CACHE"):
        return Path(chosen).expanduser().resolve()
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").exists():
        return checkout / ".cache"
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "journeys"


def kafka_jars(progress: Progress | None = None) -> tuple[Path, ...]:
    """The class path of Apache Kafka. Raises SetupError where it is neither cached nor to be had."""
    return _part("kafka", "Apache Kafka", cache_directory(), progress)


def registry_home(progress: Progress | None = None) -> Path:
    """The directory of the unpacked schema registry. Raises SetupError as `kafka_jars` does."""
    cache = cache_directory()
    (archive,) = _part("registry", "schema registry", cache, progress)
    home = cache / archive.name.removesuffix(".tar.gz")
    with _locked(cache):
        if not home.exists():
            _sweep(cache)
            _unpack(archive, home)
    return home


_checked: dict[tuple[str, Path], tuple[Path, ...]] = {}


def _part(part: str, title: str, cache: Path, progress: Progress | None) -> tuple[Path, ...]:
    """The files of a part: checked once per process, downloaded where missing or damaged."""
    if (part, cache) not in _checked:
        pins = parse_pins((_PINS / f"{part}.txt").read_text())
        with _locked(cache):
            _checked[part, cache] = fetch_all(pins, cache / "files", title, progress)
    return _checked[part, cache]


def fetch_all(
    pins: tuple[Pin, ...], into: Path, title: str, progress: Progress | None, download: Download | None = None
) -> tuple[Path, ...]:
    """Every pinned file in the directory `into`, whole; several downloads at a time. The caller holds the lock."""
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
            except BaseException:  # Ctrl-C too: what waits never starts, what runs ends with its next bytes
                stop.set()
                raise
    return tuple(into / pin.filename for pin in pins)


def _sweep(directory: Path) -> None:
    """Remove what a killed process left; nobody else is at work here, for the caller holds the lock."""
    for leftover in directory.glob(".part-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _adder(title: str, total: int, progress: Progress | None, stop: threading.Event) -> Callable[[int], None]:
    """A function that adds bytes from any thread and tells `progress` the sum. Raises CancelledError after `stop`."""
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
    """Download one file, some tries long, and move it into place once its checksum is right."""
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
            reason = DownloadError("what came is not what was pinned")
    raise SetupError(
        f"could not download {pin.filename}: {reason}",
        remedy="go online (or set HTTPS_PROXY) for the first start; later ones need no network",
    ) from reason


def _download(pin: Pin, into: Path, report: Callable[[int], None]) -> Path:
    """The door to jgo, which knows where coordinates lead; loaded for the first download only."""
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
        if error.errno is not None:  # the disk's; the network's are OSErrors without a number
            raise SetupError(f"cannot write {pin.filename}: {error.strerror}") from error
        raise DownloadError(f"no connection ({type(error).__name__})") from error
    if path is None:
        raise DownloadError("the server does not have it")
    return path


def missing_extra(error: ImportError) -> SetupError:
    """What to say where the sandbox's own dependencies are not installed."""
    return SetupError(f"the sandbox needs the Python package {error.name}", remedy="pip install '.[demo]'")


def _is_whole(path: Path, pin: Pin) -> bool:
    """Whether the file is there with the pinned size and sha256."""
    if not path.is_file() or path.stat().st_size != pin.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == pin.sha256


def _unpack(archive: Path, home: Path) -> None:
    """Unpack beside the target, then rename: half an archive never bears the name of a whole one."""
    with tempfile.TemporaryDirectory(prefix=".part-", dir=home.parent) as part:
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
        fresh = Path(part, "fresh")
        fresh.mkdir()
        for entry in [entry for entry in Path(part).iterdir() if entry != fresh]:
            entry.rename(fresh / entry.name)
        fresh.rename(home)


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Hold the cache's lock; the system drops it when the process ends, however it ends."""
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
