"""Taking mlops-ci into a repository: what was found there, what to propose, and what can be wrong."""
