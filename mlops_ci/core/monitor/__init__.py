"""Watching production: windows, estimates without labels, and what follows over several windows."""
