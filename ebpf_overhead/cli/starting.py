"""Ctrl-C while the command line is still being imported: it ends without a traceback.

Imported before everything else.  Nothing is attached yet, so the signal may simply end the
process; a shell shows status 130.
"""

from __future__ import annotations

import signal  # and nothing else, which would take its time

_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
try:
    if _ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
except ValueError:  # only the main thread may
    _ours = False


def done() -> None:
    """Handle Ctrl-C as Python does again."""
    if _ours and signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
