"""Monitoring of production: windows, estimates without labels, and alarms over several windows."""
