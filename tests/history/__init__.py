"""A history checker in the manner of Jepsen: many processes write at once, and what each was told is compared with the ledger."""
