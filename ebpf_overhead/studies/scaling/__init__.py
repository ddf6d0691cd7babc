"""What a probe costs when many CPUs run it at once."""
