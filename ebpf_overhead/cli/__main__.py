"""``python -I -m ebpf_overhead.cli`` is ``ebpf-overhead``."""

from ebpf_overhead.cli import main

main(prog_name="ebpf-overhead")
