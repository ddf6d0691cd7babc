"""BPF programs in perf: where the time of a probed loop, or of a process, goes."""
