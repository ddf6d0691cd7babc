"""Benchmarks that say what they ran on, one that brings its kernel down, one that never ends."""
