"""The demonstration: a real, small repository that the gate guards."""
