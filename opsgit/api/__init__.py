"""The Python API: the operations of the command line with types; `opsgit help api` explains it."""
