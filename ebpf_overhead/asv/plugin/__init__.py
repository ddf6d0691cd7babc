"""What asv plugs in; named in the configurations' ``plugins``.

Only asv itself imports this package.  Benchmark processes, which have ``asv_runner``
alone, use :mod:`ebpf_overhead.measure.percall`.
"""

import os

from ebpf_overhead.asv.plugin import (
    default_factor,
    default_selection,
    environments,
    machines,
    published,
    reasons,
    revisions,
)
from ebpf_overhead.asv.plugin.kernel_guest import KernelGuest
from ebpf_overhead.asv.plugin.program_files import ProgramFiles
from ebpf_overhead.asv.plugin.running_kernel import RunningKernel
from ebpf_overhead.kernels.history import without_hooks

__all__ = ["KernelGuest", "ProgramFiles", "RunningKernel", "setup"]

default_factor.install()
default_selection.install()
environments.install(RunningKernel, KernelGuest)
machines.install_without_host()
published.install()
reasons.install()
revisions.install()


def setup() -> None:
    """Have git, which asv runs perhaps as root, run no hook of any repository."""
    os.environ.update(without_hooks(os.environ))
