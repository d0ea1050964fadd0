"""The page of a worker in headless Chromium: it names each state, which is brought about for real.

JOURNEYS_SANDBOX_PICTURES=DIRECTORY writes a picture of each state; `make pictures` does so for the documents.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient
from tests.broker.ops import address_of
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import Worker
from tests.support import chromium
from tests.support.axe import axe_script
from tests.support.chromium import CHROMIUM, Page
from tests.support.shared_stack import own_broker, shared_stack

PICTURES = os.environ.get("JOURNEYS_SANDBOX_PICTURES")

pytestmark = [
    pytest.mark.extra,
    pytest.mark.timeout(900),  # the first run downloads
    pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason="needs Chromium: it is not on the PATH"),
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop with a broker that the test may stop, whose orders flood after five dead letters."""
    environment = {"JOURNEYS_ORDERS__FLOOD_RUN": "5"}
    with (
        shared_stack(tmp_path) as stack,
        own_broker(stack.registry, None) as own,
        open_shop(own, "page.", environment=environment) as made,
    ):
        yield made


class Visitor:
    """A person who sees only the page, and an expert of accessibility who looks over the shoulder."""

    def __init__(self, page: Page, axe: str) -> None:
        self._page = page
        self._axe = axe

    def visit(self, worker: Worker) -> None:
        """Open the page of a worker."""
        self._page.open(f"{address_of(worker)}/")
        self._page.run(self._axe)

    def sees(self, name: str, sentence: str, *, runbook: str | None = None) -> None:
        """Wait until the page says so. The link to the runbook leads to its section; no rule of accessibility fails."""
        self._page.until(f"document.querySelector('#sentence').innerText.startsWith({sentence!r})")
        hidden = self._page.run("document.querySelector('#advice').hidden")
        link = None if hidden else self._page.run("document.querySelector('#advice a')?.getAttribute('href') ?? null")
        assert link == (None if runbook is None else f"/runbook#{runbook}")
        for width, scheme in ((1280, "light"), (360, "dark")):
            self._page.look(width, "dark" if scheme == "dark" else "light")
            if PICTURES:
                self._page.shoot(Path(PICTURES, f"{name}-{width}-{scheme}.png"))
            assert self._page.run("document.documentElement.scrollWidth") <= width
            violations = "axe.run().then(found => found.violations.map(each => [each.id, each.nodes[0].html]))"
            assert self._page.run(violations) == []

    def controls(self, button: str) -> None:
        """Hold or resume the worker with the keyboard alone: the button, then the question, then Enter."""
        self._page.until(f"!document.querySelector('#{button}').hidden")
        self._page.run(f"document.querySelector('#{button}').focus()")
        self._page.press("Enter")
        assert self._page.run("document.querySelector('#question').open")
        assert self._page.run("axe.run().then(found => found.violations.map(each => each.id))") == []
        self._page.run("document.querySelector('#yes').focus()")
        self._page.press("Enter")
        self._page.until("!document.querySelector('#question').open")


def test_the_page_names_each_state(shop: Shop, tmp_path: Path) -> None:  # noqa: PLR0915 - one walk through all states
    """State, cause, loss and next step can be read from the page alone."""
    axe = axe_script(tmp_path)
    worker = shop.crew.hire()
    worker.until_assigned()
    with chromium.page() as page:
        visitor = Visitor(page, axe)
        visitor.visit(worker)
        visitor.sees("idle", "Idle: caught up, no order waits, 0 lost")

        shop.api.change("slow50")
        shop.place(*(f"order-{number}" for number in range(3000)))
        visitor.sees("working", "Working: ")
        shop.until_published(3000)

        shop.api.change("503")
        shop.place(*(f"down-{number}" for number in range(40)))
        visitor.sees("api-down", "Waiting: the API does not answer, since ", runbook="the-api-is-down")
        shop.api.change("401")
        visitor.sees("key-refused", "Waiting: the API refuses the key, since ", runbook="the-key-is-refused")
        shop.api.change("")
        shop.until_published(3040)

        shop.place(*(f"x-400-{number}" for number in range(5)))
        visitor.sees("flood", "Waiting: too many orders became dead letters", runbook="a-flood-of-dead-letters")
        assert "journeys dead-letters show " in page.text("#problems")
        visitor.controls("resume")
        visitor.sees("resumed", "Working: ")
        visitor.controls("hold")
        visitor.sees("held", "Waiting: an operator holds this worker", runbook="an-operator-holds-it")
        visitor.controls("resume")

        missing = shop.topic("summary")
        admin = AdminClient({"bootstrap.servers": shop.stack.broker.bootstrap_servers})
        admin.delete_topics([missing])[missing].result()
        shop.place("after-1")
        visitor.sees("topic-missing", "Waiting: a topic takes no records", runbook="a-topic-takes-no-records")
        shop.crew.setup("topics", "create")
        visitor.sees("topic-found", "Working: ")
        assert worker.stop() == 0
        visitor.sees("silent", "No answer: the worker has not answered since ")

        settling = shop.crew.hire(JOURNEYS_ORDERS__SETTLE="10m")
        settling.until_assigned()
        shop.place(*(f"young-{number}" for number in range(12)))
        visitor.visit(settling)
        visitor.sees("settling", "Settling: 12 orders wait for a due time, the next at ")
        assert settling.stop() == 0

        last = shop.crew.hire()
        last.until_assigned()
        visitor.visit(last)
        broker = shop.stack.broker.pid
        assert broker is not None
        os.kill(broker, signal.SIGSTOP)
        try:
            visitor.sees("kafka-silent", "Waiting: Kafka does not answer", runbook="kafka-does-not-answer")
        finally:
            os.kill(broker, signal.SIGCONT)
        state = httpx.get(f"{address_of(last)}/state.json", trust_env=False).json()
        assert state["version"] == 1
        page.open(f"{address_of(last)}/runbook#kafka-does-not-answer")
        page.run(axe)
        assert page.run("axe.run().then(found => found.violations.map(each => [each.id, each.nodes[0].html]))") == []
        refused = [complaint for complaint in page.complaints if "ERR_CONNECTION_REFUSED" not in complaint]
        assert refused == []
