"""Forges and the terminal: where reports go and approvals come from."""
