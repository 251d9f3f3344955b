"""`python -m opsgit` is the `opsgit` command."""

from opsgit.cli.main import run

if __name__ == "__main__":
    run()
