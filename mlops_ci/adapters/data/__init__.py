"""Tables in files: read whole or streamed, profiled, and kept as evaluations."""
