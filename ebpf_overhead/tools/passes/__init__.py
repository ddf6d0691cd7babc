"""``workloads``: which attach points each workload passes, and how often per call, by counting."""
