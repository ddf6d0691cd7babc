"""How long calls of a function take now: what ``ebpf-overhead funclatency`` shows."""
