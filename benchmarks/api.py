"""Measures the stand-in API: requests a second and CPU per request, with one client process.

    python benchmarks/api.py [--seconds 3] [--in-flight 128] [--latency 0.02]

The client sends prepared requests over plain sockets and only looks for the end of each answer, so it costs less than
the server. Every request asks for another order of ten events.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

LENGTH = re.compile(rb"Content-Length: (\d+)")


class Client(asyncio.Protocol):
    """One connection, one request in flight."""

    def __init__(self, done: list[int], number: int) -> None:
        self._done = done
        self._number = number
        self._count = 0
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Count bytes up to the end of the answer, then send the next request."""
        if self._missing:
            self._missing -= len(data)
        else:
            length = LENGTH.search(data, 0, 200)
            if length is None or not data.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"not an answer: {data[:100]!r}")
            self._missing = int(length[1]) - (len(data) - data.index(b"\r\n\r\n") - 4)
        if not self._missing:
            self._done[0] += 1
            self._ask()

    def _ask(self) -> None:
        self._count += 1
        body = b'{"order_id":"n10-%04d-%08d","page":1,"page_size":100}' % (self._number, self._count)
        head = b"POST /v2-4-2/api/order/event HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


async def load(url: str, in_flight: int, seconds: float, pid: int) -> tuple[float, float, float]:
    """Requests a second, and CPU milliseconds per request of the server and of the client."""
    address, done = urlsplit(url), [0]
    host, port = address.hostname or "", address.port or 0
    loop = asyncio.get_running_loop()
    for number in range(in_flight):
        await loop.create_connection(partial(Client, done, number), host, port)
    await asyncio.sleep(0.5)  # let it warm up
    before, cpu, own, start = done[0], cpu_seconds(pid), time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    requests, took = done[0] - before, time.perf_counter() - start
    server, client = cpu_seconds(pid) - cpu, time.process_time() - own
    return requests / took, server / requests * 1000, client / requests * 1000


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, user and system, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Start the server as a process, load it, and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--in-flight", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.02)
    options = parser.parse_args()
    print(f"load of this machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for latency in (options.latency, 0.0):
        command = [sys.executable, "-m", "journeys_sandbox.api", "--latency", str(latency)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own command
            try:
                assert server.stdout is not None  # noqa: S101 - for the type checker
                url = server.stdout.readline().strip()
                rate, cpu, own = asyncio.run(load(url, options.in_flight, options.seconds, server.pid))
            finally:
                server.terminate()
        bound = f", {options.in_flight / latency:,.0f}/s at most" if latency else ""
        print(
            f"latency {latency * 1000:.0f} ms, {options.in_flight} in flight{bound}: "
            f"{rate:,.0f} requests/s, {cpu:.3f} ms CPU each "
            f"(one core: {1000 / cpu:,.0f}/s); the client's: {own:.3f} ms"
        )


if __name__ == "__main__":
    main()
