"""The command line: parse arguments, print results, and turn every error into a message and an exit code."""

import gc

gc.set_threshold(50_000, 20, 100)  # collecting garbage while a command starts takes 5 of its 100 ms, and finds none
