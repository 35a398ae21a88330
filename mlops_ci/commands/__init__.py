"""One short function a verb: settings and tools in, a Report out."""
