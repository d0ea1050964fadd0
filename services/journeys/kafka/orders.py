"""Order messages read outside the worker: it finds their order ids as the worker does."""

from __future__ import annotations

from journeys.avro.wire import Decoder
from journeys.consumer.order_message import OrderMessageReader
from journeys.errors import RejectedOrderError, SetupError
from journeys.model import OrderMessage
from journeys.producer import registry
from journeys.settings import Settings


class RegistryOrderReader:
    """Reads order messages with these settings; asks the registry for the schemas of messages in Avro.

    `error` says why the registry could not be asked; None if it could, or was not asked. It is then not asked again.
    """

    def __init__(self, settings: Settings) -> None:
        self._registry = settings.registry
        self.error: str | None = None
        self._reader = OrderMessageReader(
            account=settings.api.account,
            order_format=settings.orders.format,
            pointer=settings.orders.id_pointer,
            decode_avro=Decoder(self._schema_text).decode,
        )

    def order_id(self, message: OrderMessage) -> str | None:
        """The order id of a message; its key if it names no order; None without a key."""
        try:
            return self._reader.read(message).order_id
        except RejectedOrderError:
            return None if message.key is None else message.key.decode(errors="replace")

    def _schema_text(self, schema_id: int) -> str:
        if self.error is not None:
            raise ValueError(self.error)
        try:
            return registry.schema_text(self._registry.url, self._registry.config, schema_id)
        except SetupError as error:
            self.error = str(error)
            raise ValueError(self.error) from error
