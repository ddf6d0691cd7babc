"""What scripts use, and the command line does: measuring, reading, comparing.

Brings together what the rooms below know; has no measuring logic and no tables of its own.
"""
