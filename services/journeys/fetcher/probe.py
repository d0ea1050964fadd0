"""One request at the start of a worker: a refused key or a wrong address shows before the first order comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from journeys.clock import Clock
from journeys.errors import OrderError, ThrottledError, UnauthorizedError
from journeys.fetcher.account.gatekeeper import Gatekeeper
from journeys.fetcher.failures import Meaning
from journeys.fetcher.fetch import Client
from journeys.fetcher.pages import read_page

ORDER_ID: Final = "journeys-probe"
"""The order id of the request. The API has no journey for it."""


async def probe(client: Client, keeper: Gatekeeper, *, codes: Mapping[int, Meaning], clock: Clock) -> OrderError | None:
    """Ask for the first page of an order that does not exist. Returns the failure, None for a page.

    A refused key shuts the gate, and a 429 sets the pace, as for any order. No other answer counts for the gate.
    """
    turn = await keeper.turn(ORDER_ID)
    try:
        answer = await client.ask(ORDER_ID, 1)
        read_page(answer, order_id=ORDER_ID, number=1, codes=codes, now=clock.wall())
    except ThrottledError as error:
        keeper.throttled(turn, error.retry_after_s)
        return error
    except UnauthorizedError as error:
        client.refresh_key()
        keeper.refused(turn, error.reason)
        return error
    except OrderError as error:
        keeper.cancelled(turn)
        return error
    except BaseException:
        keeper.cancelled(turn)
        raise
    keeper.cancelled(turn)
    return None
