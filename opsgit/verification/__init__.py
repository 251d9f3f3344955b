"""The verification of commits that already exist: in a clone, in git hooks, and in pushes to a server."""
