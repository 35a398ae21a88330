"""Setting up a repository: the facts found in it, the files proposed, and the checks of `doctor`."""
