"""The kernel interface: bpf(2), links, perf events, BTF, maps, privileges, tracefs.

Knows no program, no attach type and nothing that is measured.
"""
