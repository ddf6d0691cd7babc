"""Source or object file -> compiled program -> loaded program.

Knows nothing of attach points and of what is measured.
"""
