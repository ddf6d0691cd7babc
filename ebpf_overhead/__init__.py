"""What an eBPF probe costs the thing it watches."""

__version__ = "0.1.0"
