"""Commands: one function per verb, from settings and tools to a Report."""
