"""Ctrl-C while the command line is still being imported: it ends without a traceback.

Imported before everything else.  Nothing is attached yet, so the signal may simply end the
process; a shell shows status 130.
"""

from __future__ import annotations

import signal
import threading

_ours = (
    threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
)
if _ours:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def done() -> None:
    """Handle Ctrl-C as Python does again."""
    if _ours and signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
