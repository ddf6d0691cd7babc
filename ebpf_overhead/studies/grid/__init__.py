"""Attach type by program: the tables of `measure`."""
