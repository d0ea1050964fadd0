"""The work of commands that need no worker: `send`. The command line is in `cli`."""
