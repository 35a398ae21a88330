"""Time of rendering a large report."""
