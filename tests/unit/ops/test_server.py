"""The HTTP server for probes, metrics and people, asked over a real socket."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import pytest
from aiohttp import ClientSession

from journeys.errors import SetupError
from journeys.model import Position
from journeys.ops import console
from journeys.ops.health import OldestOrder, Readiness, Report, Trouble
from journeys.ops.metrics import Metrics
from journeys.ops.server import CONTROL_HEADER, MOST_CONNECTIONS, Control, serve
from journeys.ops.state import GateShown, Orders, State, WorkerShown, reasons, summarize

GOOD = Report(reasons={})
READY = Readiness(unready={}, degraded={})
BAD = Report(reasons={"kafka": "no sign of life for 60 s"})
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
HALF = WHOLE[:-2]


def state(found: Readiness, alive: Report, *, controls: Literal["open", "token", "off"]) -> State:
    """The state of a worker that knows nothing but its reasons."""
    orders = msgspec.convert(
        dict.fromkeys(Orders.__struct_fields__, 0) | {"next_due": None, "lag_s": None}, Orders, strict=False
    )
    return State(
        at=0.0,
        worker=WorkerShown(version="1", group="journeys", instance="a", started_at=0.0),
        summary=summarize(found, alive, orders, partitions=1, now=0.0),
        reasons=reasons(found),
        orders=orders,
        history=[],
        partitions=[],
        gate=GateShown(reasons={}, rate_per_s=None, in_flight=0, throttled=0, throttled_lately=0),
        channels=[],
        problems=[],
        oldest_order=None,
        settings=[],
        controls=controls,
    )


def ask(
    use: Callable[[ClientSession, str], Awaitable[None]],
    *,
    ready: Readiness = READY,
    alive: Report = GOOD,
    controls: Mapping[str, Control] | None = None,
    token: Callable[[], str | None] | None = None,
    patience_s: float = 10.0,
) -> None:
    """Run `use` with a client and the server's address."""

    async def session() -> None:
        metrics = Metrics()
        metrics.count("pages")
        async with (
            serve(
                host="127.0.0.1",
                port=0,
                metrics=metrics,
                ready=lambda: ready,
                alive=lambda: alive,
                state=state,
                controls=controls,
                token=token,
                patience_s=patience_s,
            ) as address,
            ClientSession() as client,
        ):
            await use(client, address)

    asyncio.run(session())


async def sent(address: str, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which `data` was sent, and nothing after it."""
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(data)
    return reader, writer


async def until_closed(reader: asyncio.StreamReader) -> None:
    """Read until the server closes the connection."""
    with suppress(ConnectionResetError):
        await reader.read()


def test_a_ready_worker_says_so() -> None:
    """200, and no reason against it."""

    async def use(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/readyz") as answer:
            assert answer.status == 200
            assert await answer.json() == {"ok": True, "reasons": {}, "degraded": {}, "oldest_order": None}

    ask(use)


def test_liveness_names_each_reason() -> None:
    """503, with every reason by its name."""

    async def use(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/healthz") as answer:
            assert answer.status == 503
            assert await answer.json() == {"ok": False, "reasons": dict(BAD.reasons)}

    ask(use, alive=BAD)


def test_readiness_says_since_when_and_what_to_do() -> None:
    """503 for an unready reason, 200 for one of `degraded`; both with their section of the runbook."""
    pace, topic = Trouble("a pause of 5 s", 1_700_000_000.5), Trouble("journey.ads takes no records", 1_700_000_001.0)

    async def use_unready(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/readyz") as answer:
            found = await answer.json()
            assert (answer.status, found["ok"]) == (503, False)
            assert found["reasons"]["topic"] == {
                "why": "journey.ads takes no records",
                "since": "2023-11-14T22:13:21+00:00",
                "orders": "Orders that need the topic wait until it takes records again.",
                "remedy": "journeys topics create, or give the worker the right to Write, as the reason says.",
                "runbook": "docs/runbook.md#a-topic-takes-no-records",
            }

    async def use_degraded(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/readyz") as answer:
            found = await answer.json()
            assert (answer.status, found["ok"], found["reasons"]) == (200, True, {})
            assert found["degraded"]["pace"]["why"] == "a pause of 5 s"

    ask(use_unready, ready=Readiness(unready={"topic": topic}, degraded={}))
    ask(use_degraded, ready=Readiness(unready={}, degraded={"pace": pace}))


def test_readiness_names_the_oldest_order_in_hand() -> None:
    """Its id, its position, and for how many seconds it has been in hand."""
    position = Position(topic="orders.completed", partition=0, offset=17)

    async def use(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/readyz") as answer:
            oldest = (await answer.json())["oldest_order"]
            assert oldest == {"order_id": "A-1042", "position": "orders.completed/0/17", "seconds": 31.3}

    oldest = OldestOrder(order_id="A-1042", position=position, seconds=31.26)
    ask(use, ready=Readiness(unready={}, degraded={}, oldest=oldest))


def test_metrics_are_served_as_prometheus_reads_them() -> None:
    """The version of the text format is named."""

    async def use(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/metrics") as answer:
            assert answer.headers["Content-Type"] == Metrics.content_type
            assert "journeys_pages_total 1.0" in await answer.text()

    ask(use)


def test_the_page_loads_only_from_the_worker() -> None:
    """Its policy allows no script, style or request from elsewhere, and none inside the page; all is small."""

    async def use(client: ClientSession, address: str) -> None:
        size = 0
        for path, (_, media_type) in console.FILES.items():
            async with client.get(address + path) as answer:
                body = await answer.text()
                size += len(body.encode())
                assert answer.content_type == media_type
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';")
                assert "unsafe" not in policy
                assert not re.search(r"<style|<script(?! type=\"module\" src)|\bstyle=|https?://(?!www.w3.org)", body)
        assert size < 40_000

    ask(use)


def test_the_page_links_to_the_others() -> None:
    """People find the rest from `/`, and the section of the runbook from the state."""

    async def use(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/") as answer:
            page = await answer.text()
            paths = ("/readyz", "/healthz", "/metrics", "/state.json", "/runbook")
            assert all(f'href="{path}"' in page for path in paths)
        async with client.get(f"{address}/runbook") as answer:
            assert '<h2 id="the-api-is-down">' in await answer.text()

    ask(use)


def test_the_state_has_the_reasons_of_the_probes() -> None:
    """They come from the same reports as /readyz and /healthz."""

    async def use(client: ClientSession, address: str) -> None:
        async with client.get(f"{address}/state.json") as answer:
            found = await answer.json()
            assert (found["version"], found["summary"]["kind"], found["controls"]) == (1, "waiting", "open")
            assert [reason["runbook"] for reason in found["reasons"]] == ["/runbook#the-key-is-refused"]

    ask(use, ready=Readiness(unready={"auth": Trouble("status-401", 0.0)}, degraded={}))


def test_a_name_that_is_not_loopback_sees_and_changes_nothing() -> None:
    """A web page of another site could point a name of its own to the loopback address."""

    async def use(client: ClientSession, address: str) -> None:
        foreign = {"Host": "evil.example", CONTROL_HEADER: "hold"}
        assert (await client.get(f"{address}/state.json", headers=foreign)).status == 403
        assert (await client.post(f"{address}/hold", headers=foreign)).status == 403

    ask(use, controls={"/hold": dict})


def test_controls_ask_for_the_token() -> None:
    """401 without it; the probes and the page need none."""

    async def use(client: ClientSession, address: str) -> None:
        header = {CONTROL_HEADER: "hold"}
        async with client.post(f"{address}/hold", headers=header) as answer:
            assert (answer.status, (await answer.json())["ok"]) == (401, False)
        async with client.post(f"{address}/hold", headers={**header, "Authorization": "Bearer secret"}) as answer:
            assert (answer.status, (await answer.json())["ok"]) == (200, True)
        async with client.get(f"{address}/state.json") as answer:
            assert (answer.status, (await answer.json())["controls"]) == (200, "token")

    ask(use, controls={"/hold": dict}, token=lambda: "secret")


def test_only_get_and_head_are_answered() -> None:
    """A page that only shows something takes no POST."""

    async def use(client: ClientSession, address: str) -> None:
        for path in ("/", "/console.js", "/state.json", "/runbook", "/healthz", "/readyz", "/metrics"):
            assert (await client.head(address + path)).status == 200
            assert (await client.post(address + path)).status == 405
        assert (await client.get(f"{address}/other")).status == 404

    ask(use)


def test_a_port_in_use_is_told_with_a_remedy() -> None:
    """The worker stops before it takes any order."""

    async def use(_client: ClientSession, address: str) -> None:
        port = urlsplit(address).port
        assert port is not None
        second = serve(
            host="127.0.0.1", port=port, metrics=Metrics(), ready=lambda: READY, alive=lambda: GOOD, state=state
        )
        with pytest.raises(SetupError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            await second.__aenter__()
        assert caught.value.remedy == f"JOURNEYS_OPS__PORT={port + 2} journeys run"

    ask(use)


def test_an_address_that_is_not_ours_is_told() -> None:
    """The setting to look at is named."""

    async def use(_client: ClientSession, _address: str) -> None:
        wrong = serve(host="192.0.2.1", port=0, metrics=Metrics(), ready=lambda: READY, alive=lambda: GOOD, state=state)
        with pytest.raises(SetupError, match="JOURNEYS_OPS__HOST"):
            await wrong.__aenter__()

    ask(use)


def test_a_control_needs_its_header() -> None:
    """A page in a browser cannot send it to another site; with it, the worker obeys and says so."""
    done: list[str] = []

    def resume() -> dict[str, object]:
        done.append("resume")
        return {"opened": ["flood"]}

    async def use(client: ClientSession, address: str) -> None:
        async with client.post(f"{address}/resume") as answer:
            assert (answer.status, done) == (403, [])
        async with client.post(f"{address}/resume", headers={CONTROL_HEADER: "resume"}) as answer:
            assert (answer.status, await answer.json()) == (200, {"ok": True, "opened": ["flood"]})
        assert (await client.get(f"{address}/resume")).status == 405

    ask(use, controls={"/resume": resume})
    assert done == ["resume"]


@pytest.mark.parametrize("data", [b"", HALF, WHOLE + HALF])
def test_a_request_that_is_not_whole_in_time_is_not_waited_for(data: bytes) -> None:
    """Nor is one that never begins, nor a later one of the same connection."""

    async def use(_client: ClientSession, address: str) -> None:
        reader, writer = await sent(address, data)
        await until_closed(reader)
        writer.close()

    ask(use, patience_s=0.01)


@pytest.mark.parametrize("data", [HALF, WHOLE])
def test_connections_are_bounded(data: bytes) -> None:
    """One more, and the oldest is closed: whatever others leave open, probes are answered and files stay free."""

    async def use(client: ClientSession, address: str) -> None:
        opened = [await sent(address, data) for _ in range(3 * MOST_CONNECTIONS)]
        async with client.get(f"{address}/healthz") as answer:
            assert answer.status == 200
        left = MOST_CONNECTIONS - 1  # and the client's own
        for reader, _ in opened[:-left]:
            await until_closed(reader)
        assert not any(reader.at_eof() or reader.exception() for reader, _ in opened[-left:])
        for _, writer in opened:
            writer.close()

    ask(use, patience_s=600)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        WHOLE.replace(b"a\r\n\r\n", b"a" * 100_000 + b"\r\n\r\n"),
        b"POST /resume HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST /resume HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    ],
)
def test_a_malformed_request_is_not_logged(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Any client can send one at any rate; it is not a defect of ours."""

    async def use(_client: ClientSession, address: str) -> None:
        reader, writer = await sent(address, data)
        await until_closed(reader)
        writer.close()

    ask(use, controls={"/resume": dict})
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []


def test_a_defect_is_still_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the trace, so that the defect can be mended."""

    def fail() -> dict[str, object]:
        raise ZeroDivisionError

    async def use(client: ClientSession, address: str) -> None:
        async with client.post(f"{address}/resume", headers={CONTROL_HEADER: "resume"}) as answer:
            assert answer.status == 500

    ask(use, controls={"/resume": fail})
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [True]
