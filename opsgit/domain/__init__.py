"""The rule book: pure values and functions without input or output. Callers pass in the state and the time."""
