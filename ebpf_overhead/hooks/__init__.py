"""Attach types and attach points; program + attach point -> hook, always detached again.

Knows nothing of what is measured.
"""
