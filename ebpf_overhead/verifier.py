"""What the kernel's verifier says about a program, in one line and in the right class of error."""

from __future__ import annotations

import errno
import re

from ebpf_overhead.errors import FailedError, OverheadError, UnsupportedError
from ebpf_overhead.rights import explain

# What a verifier says when a program is correct and this kernel, or this attach type, does
# not let it do something; with the release in which the wording came or went.
_NOT_ALLOWED = re.compile(
    r"program of this type cannot use helper"  # since 6.11
    r"|unknown func "  # the same, before
    r"|invalid func "  # the helper is newer than the kernel
    r"|tracing progs cannot use bpf_spin_lock"
    r"|cannot use (map|bpf_)"
    r"|cannot be (called|used) from "
)


def rejection(error: OSError, program: str, what: str, log: str) -> OverheadError:
    """Return the error for a program that the kernel did not load.

    Parameters
    ----------
    error : OSError
        What bpf(2) said.
    program : str
        Name of the program.
    what : str
        Attach type it was loaded for.
    log : str
        What the verifier wrote; kept as ``verifier_log``.

    Returns
    -------
    OverheadError
        FailedError for a program that is wrong; UnsupportedError where this kernel or this
        attach type does not allow what it does; what ``rights.explain`` says where the
        verifier had no say.
    """
    # A log of instructions means that the verifier looked at the program and said no;
    # everything else is refused before or after.
    if "processed" not in log or error.errno not in (errno.EACCES, errno.EINVAL, errno.E2BIG):
        return explain(error, "load", what)
    said = verdict(log)
    result: OverheadError
    if _NOT_ALLOWED.search(said):
        result = UnsupportedError(f"{program} not allowed for {what} by the verifier: {said}")
    else:
        result = FailedError(
            f"verifier rejects {program}: {said}", "correct its source; --verifier-log shows all"
        )
    result.verifier_log = log
    return result


def verdict(log: str) -> str:
    """Return why the verifier said no: what follows the last instruction in its log."""
    said = ""
    for line in map(str.strip, log.splitlines()):
        if re.match(r"\d+: ", line):
            said = ""
        elif not said and not line.startswith((";", "processed ")):
            said = line
    return said or _last_line(log)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
