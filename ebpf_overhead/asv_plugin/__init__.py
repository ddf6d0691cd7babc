"""What asv plugs in; named in the configurations' ``plugins``.

Only asv itself imports this package.  Benchmark processes, which have ``asv_runner``
alone, use :mod:`ebpf_overhead.percall`.
"""

from ebpf_overhead.asv_plugin.running_kernel import RunningKernel

__all__ = ["RunningKernel"]
