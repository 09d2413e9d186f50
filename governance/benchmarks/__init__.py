"""Benchmarks of governance, run by hand."""
