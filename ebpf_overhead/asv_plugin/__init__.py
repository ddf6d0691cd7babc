"""What asv plugs in; named in the configurations' ``plugins``.

Only asv itself imports this package.  Benchmark processes, which have ``asv_runner``
alone, use :mod:`ebpf_overhead.percall`.
"""

import os
from pathlib import Path

from ebpf_overhead.asv_plugin import default_selection, published
from ebpf_overhead.asv_plugin.kernel_guest import KernelGuest
from ebpf_overhead.asv_plugin.running_kernel import RunningKernel
from ebpf_overhead.kernels.layout import default_layout

__all__ = ["KernelGuest", "RunningKernel", "setup"]

# The ``repo`` of asv.kernels.json; a configuration cannot name a path of this machine.
_HISTORY_LINK = Path(".asv") / "kernel-history"


default_selection.install()
published.install()


def setup() -> None:
    """Put a link to the kernel history where the configuration expects it; called by asv."""
    history = default_layout().history
    if not (history / "HEAD").exists() or not Path("asv.kernels.json").exists():
        return
    if _HISTORY_LINK.is_symlink() and _HISTORY_LINK.readlink() == history:
        return
    # In one step: several asv may do this at the same time.
    _HISTORY_LINK.parent.mkdir(exist_ok=True)
    link = _HISTORY_LINK.with_name(f"{_HISTORY_LINK.name}.{os.getpid()}")
    link.symlink_to(history)
    link.replace(_HISTORY_LINK)
