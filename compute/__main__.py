"""The command `wolfspider`, also as `python -m compute`, and what stops it.

Imports take from half a second to several: they begin when the signals are taken care of.
"""

import os
import signal

STOPPED = b"stopped; what is finished is kept, and the same command goes on from there\n"
_BELOW_THE_BARS = b"\n\x1b[?25h"
"""A new line, and the cursor that progress bars hide."""


def main() -> None:
    """Run the command; Ctrl-C and SIGTERM end it with status 130, at once and in one line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    from compute.cli import main as command

    command()


def _stop(*_: object) -> None:
    """No exception, which code from outside could swallow or print: a store outlives being left at any moment."""
    os.write(2, (_BELOW_THE_BARS if os.isatty(2) else b"") + STOPPED)
    os._exit(130)


if __name__ == "__main__":
    main()
