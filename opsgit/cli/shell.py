"""The command `opsgit completion`."""

from __future__ import annotations

import click

from opsgit.cli import output


@click.command("completion", epilog='\b\nExample:\n  opsgit completion bash\n  eval "$(opsgit completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes commands, options, ids, names and statuses in a shell.

    \b
    bash:  eval "$(opsgit completion bash)"                in ~/.bashrc
    zsh:   eval "$(opsgit completion zsh)"                 in ~/.zshrc
    fish:  opsgit completion fish > ~/.config/fish/completions/opsgit.fish
    """
    from click.shell_completion import get_completion_class

    from opsgit.cli.main import opsgit

    found = get_completion_class(shell)
    assert found
    output.document(found(opsgit, {}, "opsgit", "_OPSGIT_COMPLETE").source())
