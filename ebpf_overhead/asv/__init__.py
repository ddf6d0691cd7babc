"""Results in asv's form, the history of kernels, and the plugin for asv.

Knows no study and no command.
"""
