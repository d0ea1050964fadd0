"""The attribution example's loader, killed with SIGKILL at its third commit, when all rows of the batch are written.

python -m tests.broker.dying_loader DATABASE BOOTSTRAP_SERVERS REGISTRY_URL PREFIX
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from typing import Any, Final

from attribution.database import open_database
from attribution.load import Source, load

BATCH_SIZE: Final = 40
_LAST: Final = 3
_PATIENCE_S: Final = 200
"""After this time the loader prints where it hangs, and ends."""


class DyingConnection:
    """A connection to DuckDB that kills its process instead of the last commit."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._commits = 0

    def __getattr__(self, name: str) -> Any:
        """Everything else is the connection's own."""
        return getattr(self._connection, name)

    def execute(self, query: str, *parameters: Any) -> Any:
        """Execute, or die."""
        self._commits += query == "commit"
        if self._commits == _LAST:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._connection.execute(query, *parameters)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(_PATIENCE_S, exit=True)
    path, servers, url, prefix = sys.argv[1:]
    source = Source(bootstrap_servers=servers, registry_url=url, prefix=prefix, group=f"{prefix}loader")
    dying: Any = DyingConnection(open_database(path))
    load(dying, source, batch_size=BATCH_SIZE)
