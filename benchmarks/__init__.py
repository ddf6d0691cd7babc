"""The asv suite: what eBPF probes cost, for asv to track across kernels and commits."""
