"""MLflow: runs, versions and aliases of the registry."""
