"""What is executed and timed, the clock, and who calls.

Knows nothing of BPF programs.
"""
