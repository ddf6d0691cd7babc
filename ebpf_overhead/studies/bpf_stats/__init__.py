"""What the kernel's run statistics cost, and what they say about a probe."""
