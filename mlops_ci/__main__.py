"""`python -m mlops_ci`."""

from mlops_ci.cli.main import main

main()
