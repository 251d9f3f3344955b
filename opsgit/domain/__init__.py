"""The rule book: pure values and functions, no input or output, the clock is handed in."""
