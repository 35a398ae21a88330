"""Looking at a repository and at the services around it, before the gate is in force."""
