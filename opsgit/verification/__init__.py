"""The same question asked of commits that exist: replay, chains, verify, pushes, hooks."""
