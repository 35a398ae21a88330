"""The pure core: decisions from arrays and plain values, with no I/O (a test enforces it)."""
