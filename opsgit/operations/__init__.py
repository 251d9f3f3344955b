"""What users can do, one function for each operation: read the state, decide by the rule book, publish the commits."""
