"""The published site: asv's own pages, and the entrance before them.

Shows what is stored and measures nothing.  Knows no command.
"""
