"""The command ``continua``; Ctrl-C ends it in one line even while its modules are being loaded."""

from __future__ import annotations

import atexit
import os
import sys

INTERRUPTED = 130  # as shells say it of a command that Ctrl-C ended


def main() -> None:
    """Run the command line."""
    try:
        from numerics.command.main import main as commands
    except KeyboardInterrupt:
        print("interrupted; nothing had begun", file=sys.stderr)
        sys.exit(INTERRUPTED)
    try:
        commands()
    except SystemExit as ending:
        if ending.code == INTERRUPTED:  # the compiler's objects may be half made: to destroy those would crash
            atexit._run_exitfuncs()
            sys.stdout.flush()
            os._exit(INTERRUPTED)
        raise


if __name__ == "__main__":  # python -m continua
    main()
