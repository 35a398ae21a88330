"""Benchmarks: each prints its figures beside a baseline or a peer, measured in the same run."""
