"""Benchmarks: each runs with `python -m benchmarks.NAME`, and with `--quick` in short."""
