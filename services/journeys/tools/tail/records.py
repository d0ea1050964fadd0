"""Reads journey topics: what is there, and what comes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack

from journeys.avro.wire import Decoder
from journeys.kafka.admin import KafkaAdmin
from journeys.kafka.config import consumer_config
from journeys.kafka.partitioner import partition_of
from journeys.kafka.reader import PartitionReader
from journeys.kafka.topics import require_present
from journeys.model import OrderMessage
from journeys.producer import schemas
from journeys.producer.registry import SchemaTexts
from journeys.settings import Settings
from journeys.tools.tail.filters import RecordFilter
from journeys.tools.tail.line import PublishedRecord


class JourneyTopics(AbstractContextManager["JourneyTopics"]):
    """The topics of some channels, read without a group; to be used in a `with` block, by one thread.

    `unreadable` is called with the position of a record that cannot be decoded, and the reason. Raises SetupError if no
    broker answers or a topic is missing, SettingsError for a setting that librdkafka does not take.
    """

    def __init__(
        self, settings: Settings, channels: Collection[str], *, unreadable: Callable[[str, str], object]
    ) -> None:
        self._channels = {schemas.topic(settings.publish.topic_prefix, channel): channel for channel in channels}
        self._unreadable = unreadable
        self._existing = KafkaAdmin(settings).topics(*self._channels)
        require_present(self._channels, settings, self._existing)
        self._open = ExitStack()
        texts = self._open.enter_context(SchemaTexts(settings.registry.url, settings.registry.config))
        self._decoder = Decoder(texts.text, trusted=True)
        # The group is never joined, and nothing is committed.
        config = consumer_config(settings, group_id=f"{settings.kafka.group_id}.tail")
        self._reader = self._open.enter_context(PartitionReader(config))

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def records(
        self, wanted: RecordFilter, *, since_ms: int | None, follow: bool, stopped: Callable[[], bool]
    ) -> Iterator[PublishedRecord]:
        """The records that match, from `since_ms` on, None for those that come from now on.

        Ends at the present end unless `follow`, and once `stopped`. Raises HaltError, and SetupError if the registry
        does not answer.
        """
        places = [
            (topic, number)
            for topic, count in self._existing.items()
            if topic in self._channels
            for number in (range(count) if wanted.order is None else [partition_of(wanted.order.encode(), count)])
        ]
        starts = {} if since_ms is None else self._reader.offsets_at(places, since_ms)
        bounds = {}
        for place in places:
            end = self._reader.bounds(*place).stop
            bounds[place] = range(starts.get(place, end), end)
        read = self._reader.follow({place: each.start for place, each in bounds.items()}) if follow else None
        for message in read or self._reader.read(bounds):
            if stopped():
                return
            if message is not None and wanted.may_match(message):
                record = self._decoded(message)
                if record is not None and wanted.matches(record.value):
                    yield record

    def _decoded(self, message: OrderMessage) -> PublishedRecord | None:
        try:
            value = self._decoder.decode(message.value or b"")
        except ValueError as error:
            self._unreadable(str(message.position), str(error))
            return None
        return PublishedRecord(channel=self._channels[message.position.topic], message=message, value=value)
