"""The threads of this process, as the kernel lists them."""

from __future__ import annotations

import time
from pathlib import Path


def threads() -> set[str]:
    """Return the ids of all."""
    return {path.name for path in Path("/proc/self/task").iterdir()}


def assert_no_thread_is_left(before: set[str]) -> None:
    """See that there are no others; one that has ended may be listed for a moment yet."""
    deadline_s = time.monotonic() + 10
    while not threads() <= before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert threads() <= before
