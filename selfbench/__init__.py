"""Benchmarks of the project itself over its own commits (``make selfbench``)."""
