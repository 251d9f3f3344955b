"""The command line: parse arguments, print results, and turn every error into a message and an exit code."""
