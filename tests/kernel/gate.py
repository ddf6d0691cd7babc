"""Whether the tests of this folder run: they need rights, BCC, and a kernel with BPF.

``EBPF_OVERHEAD_TEST_KERNEL`` unset runs them where that is possible; 1 makes it an error
where it is not (continuous integration, so that nothing is skipped unnoticed); 0 skips
them.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

VARIABLE = "EBPF_OVERHEAD_TEST_KERNEL"


def verdict(wanted: str | None, obstacle: str | None) -> tuple[str, str]:
    """Return ``run``, ``skip`` or ``fail``, and why.

    Parameters
    ----------
    wanted : str or None
        Value of the variable.
    obstacle : str or None
        What keeps the tests from running; None if nothing does.
    """
    if wanted not in (None, "", "0", "1"):
        return "fail", f"{VARIABLE}={wanted} means nothing; unset it, or set it to 0 or 1"
    if wanted == "0":
        return "skip", f"{VARIABLE}=0"
    if obstacle is None:
        return "run", ""
    if wanted == "1":
        return "fail", f"{obstacle} ({VARIABLE}=1 forbids to skip)"
    return "skip", f"{obstacle} ({VARIABLE}=1 makes this an error)"


def cannot_run(obstacle: str) -> NoReturn:
    """Skip or fail the test at hand, as the variable says."""
    action, reason = verdict(os.environ.get(VARIABLE), obstacle)
    if action == "skip":
        pytest.skip(reason)
    pytest.fail(reason, pytrace=False)
