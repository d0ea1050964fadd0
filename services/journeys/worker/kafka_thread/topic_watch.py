"""Notices a topic that was deleted and created again: its offsets begin anew, so those of the group would skip orders.

Each topic has an id, which a recreated topic does not share. The id under which this worker opened the first partition
of a topic is compared with the brokers' newest answer, and with the id in the commit of each partition that it opens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from journeys.clock import Clock
from journeys.consumer import offset_map
from journeys.errors import SetupError
from journeys.kafka.admin import AskTopicIds, TopicIds
from journeys.worker.happenings import Hooks, OrderTopicsMissing, TopicsWithoutIds

_ASK_EVERY_S = 5.0
_WAIT_S = 2.0
_ASK_MISSING_S = 0.5
"""The time between two questions while a topic is missing: orders may come as soon as it is created again."""


class TopicWatch:
    """Belongs to the Kafka thread. Nothing here blocks, apart from `ask_and_wait`.

    `groups` maps each topic that is read to its consumer group; `servers` is for the remedy, a command.
    """

    def __init__(
        self, ask: AskTopicIds, *, groups: Mapping[str, str], servers: str, hooks: Hooks, clock: Clock
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._groups = groups
        self._servers = servers
        self._hooks = hooks
        self._answer: Callable[[], TopicIds | None] | None = None
        self._asked_at = -math.inf
        self._newest: dict[str, str] = {}
        self._adopted: dict[str, str] = {}  # the ids that this worker's partitions belong to
        self._missing: frozenset[str] = frozenset()
        self._is_without_reported = False

    def look(self, now: float) -> None:
        """Take an answer that is there, or ask if it is time; `now` is in seconds of the monotonic clock.

        Raises SetupError for a topic that was created again.
        """
        if self._answer is not None:
            self._take()
        elif now - self._asked_at >= (_ASK_MISSING_S if self._missing else _ASK_EVERY_S):
            self._asked_at = now
            self._answer = self._ask([*self._groups])

    def ask_and_wait(self) -> None:
        """Ask, and wait for the answer for 2 s at most; for times when the worker polls nothing. Raises as `look`."""
        self._answer = self._ask([*self._groups])
        deadline = self._clock.monotonic() + _WAIT_S
        while not self._take() and self._clock.monotonic() < deadline:
            self._clock.sleep(0.02)

    def ask_now(self) -> None:
        """Ask at the next `look`: partitions were assigned."""
        self._asked_at = -math.inf

    def id_of(self, topic: str) -> str | None:
        """The id for opening a partition of a topic: the one that the others have. None until the brokers name it."""
        if self._newest.get(topic) is None:
            return None
        return self._adopted.setdefault(topic, self._newest[topic])

    def check(self, topic: str, metadata: str) -> None:
        """Raise SetupError if a commit with this metadata was made before the topic was created again."""
        if offset_map.is_of_another_topic(metadata, self._adopted[topic]):
            raise self._recreated(topic)

    def _take(self) -> bool:
        """Take the answer, if it is there. Raises SetupError as `look`."""
        found = None if self._answer is None else self._answer()
        if found is None:
            return False
        self._answer = None
        # A topic that the brokers say nothing about stays as it was.
        missing = found.missing | (self._missing - found.ids.keys() - found.without.keys())
        for topic in found.missing:
            self._newest.pop(topic, None)
        self._newest.update(found.ids)
        for topic, reason in found.without.items():
            if self._newest.setdefault(topic, offset_map.NO_ID) == offset_map.NO_ID and not self._is_without_reported:
                self._is_without_reported = True
                self._hooks.notify(TopicsWithoutIds(topic, reason))
        if missing != self._missing:
            self._missing = missing
            self._hooks.notify(OrderTopicsMissing(sorted(missing)))
        for topic, adopted in self._adopted.items():
            if adopted != self._newest.get(topic, adopted) and offset_map.NO_ID not in (adopted, self._newest[topic]):
                raise self._recreated(topic)
        return True

    def _recreated(self, topic: str) -> SetupError:
        group = self._groups[topic]
        return SetupError(
            f"{topic} was deleted and created again; offsets of group {group} belong to the deleted topic, and would"
            " skip orders of the new one. Stop all workers, then set the offsets to the start of the new topic",
            remedy=f"kafka-consumer-groups --bootstrap-server {self._servers} --group {group} --topic {topic}"
            " --reset-offsets --to-earliest --execute",
        )
