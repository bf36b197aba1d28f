"""The command ``continua``; Ctrl-C ends it in one line even while its modules are being loaded."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from numerics.cli import main as commands
    except KeyboardInterrupt:
        print("interrupted; nothing had begun", file=sys.stderr)
        sys.exit(130)
    commands()
