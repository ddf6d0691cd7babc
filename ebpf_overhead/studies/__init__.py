"""One folder per question: its cases, its run, its tables and its figure.

Knows no command.
"""
