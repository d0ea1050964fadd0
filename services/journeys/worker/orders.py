"""Order messages become orders on the event loop; one in Avro may need its schema from the registry first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from journeys.avro import Decoder
from journeys.consumer.messages import Format, OrderReader
from journeys.errors import SetupError
from journeys.model import Order, OrderMessage
from journeys.worker.threads import in_daemon_thread

_PAUSES = (0.5, 1.0, 2.0, 5.0)
"""Seconds between questions to a registry that does not answer; the last one repeats."""


class Orders:
    """Reads order messages. `schema_text` asks the registry, and may block: it runs in a thread.

    A registry that is down costs time: the message waits for it. One that does not know the schema settles it.
    """

    def __init__(
        self,
        *,
        account: str,
        form: Format,
        pointer: str,
        schema_text: Callable[[int], str],
        is_retry: Callable[[str], bool],
    ) -> None:
        self._form = form
        self._reader = OrderReader(
            account=account,
            form=form,
            pointer=pointer,
            decode_avro=Decoder(schema_text).decode,
            is_retry=is_retry,
        )

    async def read(self, message: OrderMessage) -> Order:
        """The order that a message asks for. Raises RefusedError where it names none."""
        is_avro = self._form == "avro" or (self._form == "auto" and (message.value or b"")[:1] == b"\x00")
        if not is_avro:
            return self._reader.read(message)
        asked = 0
        while True:
            try:
                return await in_daemon_thread(lambda: self._reader.read(message), name="order-schema")
            except SetupError:
                await asyncio.sleep(_PAUSES[min(asked, len(_PAUSES) - 1)])
                asked += 1
