"""What must be there before anything can be measured on this kernel, in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from ebpf_overhead.bpf import maps, statistics, syscall
from ebpf_overhead.bpf.privileges import OUTSIDE, what_is_missing
from ebpf_overhead.errors import RefusedError, UnsupportedError
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.programs import bcc

_SMALLEST = maps.Dimensions(maps.MapType.ARRAY, 4, 4, 1)


def check(cases: Iterable[object] | None = None) -> None:
    """Raise unless BPF programs can be compiled and attached here in principle.

    Parameters
    ----------
    cases : iterable, optional
        What is to be measured: where that is object files and scripts, nothing is compiled.

    Raises
    ------
    MissingToolError
        BCC is not installed, and something is to be compiled.
    RefusedError
        Rights are missing.
    UnsupportedError
        The kernel has no BPF, or keeps it from this machine.
    """
    if cases is None or any(map(_is_compiled, cases)):
        bcc.compiler()
    if missing := what_is_missing():
        raise RefusedError(
            f"attaching BPF programs needs CAP_BPF and CAP_PERFMON: {missing}",
            "run as root, or in a container with both capabilities added",
        )
    try:
        os.close(maps.create(_SMALLEST, "preflight"))
        if not statistics.refused():
            os.close(syscall.enable_stats())
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "error")
        if error.errno == errno.EPERM:
            raise RefusedError(
                f"bpf(2) refused to this process ({name}), which has the capabilities: by a"
                " container's seccomp or the like",
                OUTSIDE,
            ) from error
        raise UnsupportedError(
            f"kernel {os.uname().release} has no usable BPF ({name} from bpf(2))",
            "use Linux 5.8 or newer with CONFIG_BPF_SYSCALL=y",
        ) from error


def _is_compiled(case: object) -> bool:
    """Whether a case has a program in C."""
    if not isinstance(case, Case):
        return True
    return not case.program.is_object or any(map(_is_compiled, case.co_attached.cases))
