"""The file that keeps the state of an interrupted run, beside its input: `orders.csv.sent`."""

from __future__ import annotations

import os
from pathlib import Path

from journeys.errors import HaltError
from journeys.tools.send.checkpoint import Acknowledged, Checkpoint, digest_of


class StateFile:
    """The state of runs over one input file."""

    def __init__(self, input_file: Path) -> None:
        self.path = input_file.with_name(f"{input_file.name}.sent")

    def acknowledged(self, topic: str, orders: tuple[str, ...], *, resume: bool) -> Acknowledged:
        """The orders that an interrupted run has sent; none without one.

        Raises ValueError if there is such a run and it is not resumed, or if it cannot be. Raises HaltError if the file
        cannot be read.
        """
        state = self._read()
        if state is None:
            if resume:
                raise ValueError(f"there is nothing to resume: {self.path} does not exist")
            return Acknowledged()
        done = Acknowledged(state.acknowledged)
        again = f"remove {self.path} to send all orders of the file"
        if not resume:
            count = f"{len(done):,} of {state.orders:,} orders"
            raise ValueError(f"a run over this file stopped after {count}: --resume sends the rest; or {again}")
        if state.topic != topic:
            raise ValueError(f"the interrupted run sent to {state.topic}: name that topic, or {again}")
        if state.digest != digest_of(orders):
            raise ValueError(f"the file names other orders than the interrupted run: {again}")
        return done

    def save(self, topic: str, orders: int, digest: str, acknowledged: Acknowledged) -> None:
        """Replace the file. Raises HaltError."""
        state = Checkpoint(topic=topic, orders=orders, digest=digest, acknowledged=acknowledged.spans())
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            new.write_text(state.to_text(), "utf-8")
            os.replace(new, self.path)  # noqa: PTH105 - a crash leaves the old file or the new one
        except OSError as error:
            raise HaltError(
                f"cannot write {self.path}, which a later run needs to send the rest: {error.strerror}; "
                "with --file - the input is read from stdin, and no file is written"
            ) from None

    def remove(self) -> None:
        """Forget the run: it is complete."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> Checkpoint | None:
        try:
            return Checkpoint.from_text(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HaltError(f"cannot read {self.path}: {error.strerror}") from None
        except ValueError as error:
            raise HaltError(f"{self.path} is damaged: {error}; remove it to send all orders of the file") from None
