"""`python -m journeys` is the command `journeys`."""

import sys

from journeys.cli import main

sys.exit(main())
