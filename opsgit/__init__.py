"""opsgit: the ledger of record for teams of agents, kept in a git repository."""
