"""Runs the benchmarks one after the other and writes their results to RESULTS.md next to this file, with plots.

    python -m benchmarks.report [--only NAME …]

Run it on an idle machine. The report gives the machine's load before each table: figures that were measured under load
are comparable only within their table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.encoding import COLUMNS
from benchmarks.plot import bars

Found = Mapping[str, Any]
RESULTS: Final = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A benchmark, and the functions that turn its JSON into Markdown and a plot."""

    title: str
    command: tuple[str, ...]
    write: Callable[[Found], list[str]]
    plot: Callable[[Found], str] | None = None


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table. All columns but the first are numbers."""
    lines = [head, ["---", *(["---:"] * (len(head) - 1))], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _worker_plot(found: Found) -> str:
    pairs = found["pairs"]
    rates = {name: [pair[name]["rate"] for pair in pairs] for name in ("client", "worker")}
    return bars([f"pair {number}" for number in range(1, len(pairs) + 1)], rates, unit="orders/s")


def _parts_plot(found: Found) -> str:
    rows = found["parts"]
    return bars([row["part"] for row in rows], {"CPU": [row["us_per_order"] for row in rows]}, unit="µs per order")


def _encoding_plot(found: Found) -> str:
    rows = found["rows"]
    times = {
        label: [row[name] for row in rows] for name, label in (("fastavro", "schemaless_writer"), ("c", "ours in C"))
    }
    return bars([row["channel"] for row in rows], times, unit="µs per event")


def _worker(found: Found) -> list[str]:
    pairs, summary = found["pairs"], found["summary"]
    rows = [
        [
            str(number),
            f"{pair['client']['rate']:.0f}",
            f"{pair['client']['cpu']:.3f}",
            f"{pair['worker']['rate']:.0f}",
            f"{pair['worker']['cpu']:.3f}",
            f"{pair['worker']['broker_cpu']:.3f}",
            f"{pair['worker']['memory']:.0f}",
            f"{pair['worker']['others']:.2f}",
            f"{pair['worker']['reuse']:.2%}",
            f"{pair['worker']['rate'] / pair['client']['rate']:.2f}",
        ]
        for number, pair in enumerate(pairs, 1)
    ]
    head = ["pair", "client/s", "CPU ms", "worker/s", "CPU ms", "broker ms", "MiB", "others", "reuse", "ratio"]
    note = (
        f"Ratio: median {summary['ratio']:.2f}, from {summary['ratio_min']:.2f} to {summary['ratio_max']:.2f}. The"
        " client runs alone, the worker next to the broker. `others`: cores that all other processes kept busy."
        " `reuse`: share of the worker's requests over an existing connection."
    )
    return [*table(head, rows), "", note]


def _parts(found: Found) -> list[str]:
    rows = [[row["part"], f"{row['us_per_order']:.0f}", f"{row['share']:.1%}"] for row in found["parts"]]
    rate, cpu = found["orders"] / found["seconds"], 1e6 * found["cpu"] / found["orders"]
    note = f"{rate:.0f} orders/s, {cpu:.0f} µs CPU per order, with 22 events on average."
    return [note, "", *table(["part", "µs per order", "share"], rows)]


def _encoding(found: Found) -> list[str]:
    rows = [
        [
            row["channel"],
            *(f"{row[name]:.1f}" for name in COLUMNS),
        ]
        for row in found["rows"]
    ]
    heads = [
        "µs per event",
        "schemaless_writer",
        "ours in C",
        "ratio",
        "from",
        "to",
        "to a record",
        "without C",
    ]
    least = found["least_ratio"]
    note = f"C takes at most 1/{least:.1f} of the time of `schemaless_writer`; the target is 1/{found['target']:g}."
    return [*table(heads, rows), "", note]


def _order(found: Found) -> list[str]:
    rows = [[row["way"], *(f"{row[name]:.0f}" for name in ("median", "min", "max"))] for row in found["rows"]]
    note = f"The target for `pool` is {found['target']:g}."
    return [*table(["µs per order", "median", "from", "to"], rows), "", note]


def _client(found: Found) -> list[str]:
    rows = [[row["way"], f"{row['rate']:.0f}", f"{row['cpu']:.3f}", f"{row['ratio']:.2f}"] for row in found["rows"]]
    return table(["way", "requests/s", "CPU ms", "times aiohttp's CPU"], rows)


def _publish(found: Found) -> list[str]:
    names = ("produce", "process", "broker", "ms")
    rows = [[row["variant"], *(f"{row[name]:.1f}" for name in names)] for row in found["rows"]]
    return table(["µs CPU per record", "producer's thread", "process", "broker", "ms per transaction"], rows)


def _start(found: Found) -> list[str]:
    steps = list(found["rows"][0])
    times = {step: [row[step] for row in found["rows"]] for step in steps}
    rows = [[step, *(f"{fold(times[step]):.2f}" for fold in (median, min, max))] for step in steps]
    imports = sorted(found["imports_ms"].items(), key=lambda item: -item[1])[:10]
    slowest = ", ".join(f"{package} {took:.0f}" for package, took in imports)
    total = sum(found["imports_ms"].values())
    return [*table(["seconds", "median", "from", "to"], rows), "", f"Imports take {total:.0f} ms: {slowest}."]


def _load(found: Found) -> list[str]:
    columns = ("orders/s", "share", "CPU ms", "p50 ms", "p99 ms", "cost s")
    rows = [[row["load"], *(f"{row[name]:.2f}" if name in row else "" for name in columns)] for row in found["rows"]]
    note = (
        "`share`: of 128 / 0.2 s, or of the first worker's rate times the number of workers. The other rates are exact"
        " to some percent. `p50`, `p99`: time from order to summary. `cost`: growth of the backlog, as seconds of the"
        " rate."
    )
    return [*table(["load", *columns], rows), "", note]


def _watched(found: Found) -> list[str]:
    rows = [
        [f"`{row['path']}`", f"{row['bytes']}", *(f"{row[name]:.2f}" for name in ("median", "min", "max"))]
        for row in found["rows"]
    ]
    note = (
        f"Two open pages and a scrape every 5 s take {found['share']:.2%} of a core, at most {found['share_max']:.2%};"
        f" the target is {found['target']:.0%}."
    )
    return [*table(["CPU ms of an answer", "bytes", "median", "from", "to"], rows), "", note]


def _memory(found: Found) -> list[str]:
    columns = ("before MiB", "after MiB", "most MiB", "drift", "orders/s", "µs per order", "µs per event", "ratio")
    digits = {"drift": ".1%", "ratio": ".2f", "µs per event": ".1f"}
    rows = [
        [
            row["case"],
            *(format(row[name], digits.get(name, ".0f")) if name in row else "" for name in columns),
            row.get("target", ""),
            {True: "yes", False: "no"}.get(row.get("reached"), ""),
        ]
        for row in found["rows"]
    ]
    return table(["case", *columns, "target", "reached"], rows)


def _memory_plot(found: Found) -> str:
    rows = [row for row in found["rows"] if "most MiB" in row]
    names = ("before MiB", "after MiB", "most MiB")
    series = {name.removesuffix(" MiB"): [row.get(name, 0.0) for row in rows] for name in names}
    return bars([row["case"] for row in rows], series, unit="MiB")


SECTIONS: Final = (
    *(
        Section(
            title=f"The worker against its HTTP client, {title}",
            command=("worker", "--pairs", "5", *options),
            write=_worker,
            plot=_worker_plot,
        )
        for title, options in (
            ("64 in flight", ("--concurrency", "64")),
            ("128 in flight", ("--concurrency", "128")),
            ("one order in twenty has 250 events", ("--mix",)),
        )
    ),
    Section(title="CPU by part", command=("busy", "--mix"), write=_parts, plot=_parts_plot),
    Section(title="Encoding", command=("encoding",), write=_encoding, plot=_encoding_plot),
    Section(title="An order outside the HTTP client", command=("order",), write=_order),
    Section(title="The HTTP client", command=("client",), write=_client),
    Section(title="Transactions", command=("publish",), write=_publish),
    Section(title="Loads below the machine's limit", command=("load",), write=_load),
    Section(
        title="Memory and size",
        command=("memory", "--orders", "200000", "--large", "150", "--events", "40000"),
        write=_memory,
        plot=_memory_plot,
    ),
    Section(title="Start", command=("start",), write=_start),
    Section(title="The cost of watching", command=("watched",), write=_watched),
)


def measured(section: Section) -> list[str]:
    """Run the section's benchmark. Returns the section's lines."""
    command = ["python", "-m", f"benchmarks.{section.command[0]}", *section.command[1:]]
    load = os.getloadavg()[0]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *command[1:], "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    note = f"`{' '.join(command)}`, Python {platform.python_version()}, load of the machine before: {load:.1f}."
    found = json.loads(done.stdout)
    lines = [f"## {section.title}", "", note, "", *section.write(found), ""]
    if section.plot is not None:
        plot = RESULTS.parent / "results" / f"{'-'.join(word.lstrip('-') for word in section.command)}.svg"
        plot.parent.mkdir(exist_ok=True)
        plot.write_text(section.plot(found), encoding="utf-8")
        lines += [f"![{section.title}](results/{plot.name})", ""]
    return lines


def write(sections: Mapping[str, Sequence[str]]) -> None:
    """Write the given sections, in the order of `SECTIONS`."""
    head = [
        "# Results",
        "",
        f"Written by `python -m benchmarks.report` on {os.cpu_count()} cores. The measured processes share them with",
        "the broker, the registry and the stand-in API.",
        "",
    ]
    body = [line for section in SECTIONS for line in sections.get(section.title, ())]
    RESULTS.write_text("\n".join([*head, *body]).rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Measure, write each section at once, and print the path."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", help="the name of a benchmark; the other sections stay")
    options = parser.parse_args()
    sections = _kept() if options.only else {}
    for section in SECTIONS:
        if not options.only or section.command[0] in options.only:
            sys.stderr.write(f"{section.title}\n")
            sections[section.title] = measured(section)
            write(sections)
    sys.stdout.write(f"{RESULTS}\n")


def _kept() -> dict[str, list[str]]:
    """The sections of the last report, by title."""
    parts = RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: [*f"## {part.rstrip()}".split("\n"), ""] for part in parts}


if __name__ == "__main__":
    main()
