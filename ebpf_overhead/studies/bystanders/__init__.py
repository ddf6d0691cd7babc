"""What other system calls and other processes pay for a probe."""
