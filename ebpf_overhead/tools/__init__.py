"""The commands that watch a live machine.

Knows no study and no command line.
"""
