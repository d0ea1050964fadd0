"""The page of a worker in headless Chromium: it names each state, which is brought about for real.

JOURNEYS_SANDBOX_PICTURES=DIRECTORY writes a picture of each state; `make pictures` does so for the documents.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from tests.broker.ops import address_of, control
from tests.broker.shop import Shop, open_shop
from tests.broker.workers import Worker
from tests.support import chromium
from tests.support.axe import axe_script
from tests.support.chromium import CHROMIUM, Page

from journeys_sandbox.stack.stack import Stack

PICTURES = os.environ.get("JOURNEYS_SANDBOX_PICTURES")
CONTROLS = (
    "[...document.querySelectorAll('a, button, input, summary, [tabindex]')].filter(each => each.checkVisibility())"
)
"""Everything that a person can reach by keyboard, in the order of the page."""
OUTLINE = "(style => `${style.outlineStyle} ${style.outlineWidth}`)(getComputedStyle(document.activeElement))"
"""The outline of what has the focus."""

pytestmark = [
    pytest.mark.extra,
    pytest.mark.timeout(900),  # the first run downloads
    pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason="needs Chromium: it is not on the PATH"),
]


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop with a broker that the test may stop, whose orders flood after five dead letters."""
    with Stack() as stack, open_shop(stack, "page.", environment={"JOURNEYS_ORDERS__FLOOD_RUN": "5"}) as made:
        yield made


EXPECTED = ("ERR_CONNECTION_REFUSED", "401 (Unauthorized)")
"""Complaints of the browser: about a worker that has ended, and about a wrong token."""


class Visitor:
    """A person who sees only the page, and an expert of accessibility who looks over the shoulder."""

    def __init__(self, page: Page, axe: str) -> None:
        self.page = page
        self._axe = axe

    def visit(self, worker: Worker) -> None:
        """Open the page of a worker."""
        self.page.open(f"{address_of(worker)}/")
        self.page.run(self._axe)

    def sees(self, name: str, sentence: str, *, runbook: str | None = None) -> None:
        """Wait until the page says so. The link to the runbook leads to its section; no rule of accessibility fails."""
        self.page.until(f"document.querySelector('#sentence').innerText.startsWith({sentence!r})")
        hidden = self.page.run("document.querySelector('#advice').hidden")
        link = None if hidden else self.page.run("document.querySelector('#advice a')?.getAttribute('href') ?? null")
        assert link == (None if runbook is None else f"/runbook#{runbook}")
        for width, scheme in ((1280, "light"), (360, "dark")):
            self.page.look(width, "dark" if scheme == "dark" else "light")
            if PICTURES:
                self.page.shoot(Path(PICTURES, f"{name}-{width}-{scheme}.png"))
            assert self.page.run("document.documentElement.scrollWidth") <= width
            self._finds_no_violation()

    def reads_runbook(self, section: str) -> None:
        """Follow the link to the runbook."""
        self.page.run("document.querySelector('#advice a').click()")
        self.page.until(f"location.pathname === '/runbook' && document.getElementById({section!r}) !== null")
        self.page.run(self._axe)
        self._finds_no_violation()

    def _finds_no_violation(self) -> None:
        violations = "axe.run().then(found => found.violations.map(each => [each.id, each.nodes[0].html]))"
        assert self.page.run(violations) == []

    def controls(self, button: str, *, wrong_token: str = "", token: str = "") -> None:
        """Hold or resume the worker with the keyboard alone: the button, the question, the tokens, if any, and Enter.

        The focus is then on the other button.
        """
        self._asks(button)
        self._finds_no_violation()
        if wrong_token:
            self._answers(wrong_token)
            self.page.until(
                "document.querySelector('#refusal').innerText === 'Refused: the token is missing or wrong.'"
            )
            self._finds_no_violation()
            self.page.run("document.querySelector('#token').select()")
        self._answers(token)
        self.page.until("!document.querySelector('#question').open")
        self.page.until(f"document.activeElement.id === '{'resume' if button == 'hold' else 'hold'}'")

    def _asks(self, button: str) -> None:
        self.page.until(f"!document.querySelector('#{button}').hidden")
        self.page.run(f"document.querySelector('#{button}').focus()")
        self.page.press("Enter")
        assert self.page.run("document.querySelector('#question').open")

    def _answers(self, token: str) -> None:
        """Type the token, if any, where the focus is, and press Enter."""
        assert self.page.run("document.activeElement.id") == ("token" if token else "yes")
        self.page.type(token)
        self.page.press("Enter")

    def tabs_through(self) -> None:
        """Press Tab through the page from its top: each control comes once, in order, with a visible outline."""
        count = self.page.run(f"{CONTROLS}.length")
        reached = []
        for _ in range(count):
            self.page.press("Tab")
            reached.append(self.page.run(f"[{CONTROLS}.indexOf(document.activeElement), {OUTLINE}]"))
        assert reached == [[index, "solid 3px"] for index in range(count)]

    def cancels(self, button: str) -> None:
        """Open the question and press Tab: no control behind it is reached. Escape closes it, and the focus returns."""
        self._asks(button)
        reached = set()
        for _ in range(5):
            self.page.press("Tab")
            reached.add(self.page.run("(on => on === document.body ? 'the browser' : on.id)(document.activeElement)"))
        assert reached == {"yes", "no", "the browser"}
        self.page.press("Escape")
        assert self.page.run("[document.querySelector('#question').open, document.activeElement.id]") == [False, button]


def test_the_page_names_each_state(shop: Shop, tmp_path: Path) -> None:
    """State, cause, loss and next step can be read from the page alone, and it asks for nothing from elsewhere."""
    axe = axe_script(tmp_path)
    with chromium.page() as page:
        visitor = Visitor(page, axe)
        worker = shop.crew.hire()
        worker.until_assigned()
        visitor.visit(worker)
        work(visitor, shop)
        lose_the_api(visitor, shop, worker)
        press_buttons(visitor, shop, worker)
        lose_a_topic(visitor, shop)
        assert worker.stop() == 0
        visitor.sees("no-answer", "No answer: the worker has not answered since ")
        settle(visitor, shop, tmp_path / "token")
        lose_kafka(visitor, shop)
        assert [each for each in page.complaints if not any(expected in each for expected in EXPECTED)] == []


def work(visitor: Visitor, shop: Shop) -> None:
    """From idle to working, with a history."""
    visitor.sees("idle", "Idle: caught up, no order waits, 0 lost")
    shop.api.change("slow50")
    orders = [f"order-{number}" for number in range(5000)]
    shop.place(*orders[:100], "x-400-n1-refused", "x-503-n1-tried", *orders[100:])
    visitor.page.until("fetch('/state.json').then(r => r.json()).then(state => state.history.length > 2)")
    visitor.sees("working", "Working: ")
    if PICTURES:
        visitor.page.look(1280, "light")
        visitor.page.shoot(Path(PICTURES, "console.png"), whole=False)
    shop.until_published(len(orders))
    visitor.page.until("document.querySelector('#problems').innerText.includes('journeys dead-letters show ')")


def lose_the_api(visitor: Visitor, shop: Shop, worker: Worker) -> None:
    """An outage, which ends as a refused key, which ends. A link keeps the focus while a second reason comes."""
    shop.api.change("503")
    shop.place(*(f"down-{number}" for number in range(40)))
    visitor.sees("api-down", "Waiting: the API does not answer, since ", runbook="the-api-is-down")
    visitor.page.run("document.querySelector('#reasons a').focus()")
    control(address_of(worker), "/hold")
    visitor.page.until("document.querySelectorAll('#reasons a').length === 2")
    assert visitor.page.run("document.activeElement.innerText") == "down"
    control(address_of(worker), "/resume")
    shop.api.change("401")
    visitor.sees("key-refused", "Waiting: the API refuses the key, since ", runbook="the-key-is-refused")
    shop.api.change("")
    shop.until_published(5040)


def press_buttons(visitor: Visitor, shop: Shop, worker: Worker) -> None:
    """A flood that a person resumes, and a hold that a person begins and ends, from the keyboard."""
    shop.place(*(f"x-400-{number}" for number in range(5)))
    visitor.visit(worker)
    visitor.sees("flood", "Waiting: too many orders became dead letters, since ", runbook="a-flood-of-dead-letters")
    visitor.tabs_through()
    visitor.cancels("hold")
    visitor.controls("resume")
    visitor.sees("resumed", "Working: ")
    visitor.controls("hold")
    visitor.sees("held", "Waiting: an operator holds this worker, since ", runbook="an-operator-holds-it")
    visitor.controls("resume")


def lose_a_topic(visitor: Visitor, shop: Shop) -> None:
    """A topic is deleted, and created again."""
    missing = shop.topic("summary")
    admin = AdminClient({"bootstrap.servers": shop.stack.broker.bootstrap_servers})
    admin.delete_topics([missing])[missing].result()
    shop.place("after-1")
    visitor.sees("topic-missing", "Waiting: a topic takes no records, since ", runbook="a-topic-takes-no-records")
    shop.crew.setup("topics", "create")
    visitor.sees("topic-found", "Working: ")


def settle(visitor: Visitor, shop: Shop, token_file: Path) -> None:
    """Orders that are too young to be fetched. The worker asks for a token before it is held and resumed."""
    token_file.write_text("right-token\n")
    worker = shop.crew.hire(JOURNEYS_ORDERS__SETTLE="10m", JOURNEYS_OPS__TOKEN_FILE=str(token_file))
    worker.until_assigned()
    shop.place(*(f"young-{number}" for number in range(12)))
    visitor.visit(worker)
    # The retried order of the first scene waits in its tier as well.
    visitor.sees("settling", "Settling: 13 orders wait for a due time, the next at ")
    visitor.controls("hold", wrong_token="wrong-token", token="right-token")
    visitor.sees("held-with-token", "Waiting: an operator holds this worker, since ", runbook="an-operator-holds-it")
    visitor.controls("resume", token="right-token")
    visitor.sees("settling-again", "Settling: 13 orders wait for a due time, the next at ")
    assert worker.stop() == 0


def lose_kafka(visitor: Visitor, shop: Shop) -> None:
    """A broker that is silent while a transaction is open. The link leads to the runbook's section."""
    shop.api.change("slow50")
    worker = shop.crew.hire()
    worker.until("transaction.committed")
    visitor.visit(worker)
    broker = shop.stack.broker.pid
    assert broker is not None
    shop.place(*(f"last-{number}" for number in range(3000)))
    worker.until("transaction.committed", times=3)
    os.kill(broker, signal.SIGSTOP)
    try:
        visitor.sees("kafka-silent", "Waiting: Kafka does not answer, since ", runbook="kafka-does-not-answer")
        visitor.reads_runbook("kafka-does-not-answer")
        worker.stop()
    finally:
        os.kill(broker, signal.SIGCONT)
