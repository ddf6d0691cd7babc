"""A case -> its overhead with an interval and its run count check.

Knows no report, no study and no command.
"""
