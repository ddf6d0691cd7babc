"""How long load, attach and detach take, and whether calls stall (docs/attach-latency.md)."""
