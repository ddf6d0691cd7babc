"""What the kernel's verifier says about a program, as one line and the right class of error."""

from __future__ import annotations

import errno
import re
from typing import NamedTuple

from ebpf_overhead.bpf.privileges import explain
from ebpf_overhead.errors import FailedError, OverheadError, UnsupportedError

# What a verifier says about a correct program that this kernel, or this attach type, does
# not allow.  Comments name the release that changed the wording.
_NOT_ALLOWED = re.compile(
    r"program of this type cannot use helper"  # since 6.11
    r"|unknown func "  # before 6.11
    r"|invalid func "  # the helper is newer than the kernel
    r"|tracing progs cannot use bpf_spin_lock"
    r"|cannot use (map|bpf_)"
    r"|cannot be (called|used) from "
)

_STACK_OF_FUNCTION = re.compile(r"^subprog \d+ .* stack (\d+)$", re.MULTILINE)


def rejection(error: OSError, program: str, what: str, log: str, also: str = "") -> OverheadError:
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
    also : str
        See ``privileges.explain``.

    Returns
    -------
    OverheadError
        FailedError for a wrong program.  UnsupportedError where this kernel or this attach
        type does not allow what the program does.  The error of ``privileges.explain`` where
        the verifier did not decide.
    """
    # With a log of instructions, the verifier rejected the program.  Without one, something
    # else refused it, before or after the verifier.
    if "processed" not in log or error.errno not in (errno.EACCES, errno.EINVAL, errno.E2BIG):
        return explain(error, "load", what, also)
    said = verdict(log)
    if said.startswith("processed 0 "):
        # It said no before the first instruction, without a word: to the kind of hook.
        return explain(error, "load", what, also)
    result: OverheadError
    if _NOT_ALLOWED.search(said):
        result = UnsupportedError(f"{program} not allowed for {what} by the verifier: {said}")
    else:
        result = FailedError(
            f"verifier rejects {program}: {said}", "correct its source; --verifier-log shows all"
        )
    result.verifier_log = log
    return result


class VerifierStatistics(NamedTuple):
    """How much work a program was for the verifier; None for what it does not say.

    Attributes
    ----------
    stack_bytes : list of int
        Stack of the program, and of each function that it calls.
    processed : int or None
        Instructions that were looked at, over all paths.
    states, peak_states : int or None
        States that were kept, in all and at once.
    """

    stack_bytes: list[int]
    processed: int | None
    states: int | None
    peak_states: int | None


def statistics(log: str) -> VerifierStatistics:
    """Return the sums at the end of the verifier's log (``print_verification_stats``)."""
    depths = re.search(r"^stack depth (\d+(?:\+\d+)*)", log, re.MULTILINE)
    # 7.3 has a line for each function.
    stacks = depths[1].split("+") if depths else _STACK_OF_FUNCTION.findall(log)
    counts = (
        re.search(rf"{before}(\d+){after}", log)
        for before, after in (
            *(("processed ", " insns"), (" total_states ", "")),
            (" peak_states ", ""),
        )
    )
    return VerifierStatistics(
        [*map(int, stacks)],
        *(int(found[1]) if found else None for found in counts),
    )


def verdict(log: str) -> str:
    """Return why the verifier rejected a program: what follows the last instruction in its log."""
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
