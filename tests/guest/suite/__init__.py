"""Benchmarks that say what they ran on, and one that brings its kernel down."""
