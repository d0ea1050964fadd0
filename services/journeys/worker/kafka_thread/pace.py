"""The times and sizes by which the Kafka thread works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times and sizes, with their defaults."""

    linger_s: float = 0.1
    """The longest time that finished orders gather for one transaction."""
    max_records: int = 20_000
    """Records of one transaction (see `PendingResults`)."""
    poll_s: float = 0.05
    """The longest wait of one poll."""
    full_s: float = 0.005
    """The wait between two looks at the results while no order may be admitted."""
    poll_when_full_s: float = 0.1
    """The time between two polls meanwhile; they serve callbacks."""
    transaction_s: float = 30.0
    """A transaction that takes longer is abandoned: its outcome is read back."""
    revoke_s: float = 4.0
    """The same, while a rebalance or a stop waits for it."""
    held_s: float = 30.0
    """A partition that is held for longer is an obstacle of its group."""
    recover_s: float = 4.0
    """The longest time that one try to read an outcome back takes."""
