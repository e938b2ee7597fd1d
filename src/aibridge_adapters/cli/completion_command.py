"""`aibridge completion`: the script that teaches a shell to complete `aibridge`."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:   aibridge completion bash > ~/.local/share/bash-completion/completions/aibridge
    zsh:    aibridge completion zsh > "${fpath[1]}/_aibridge"
    fish:   aibridge completion fish > ~/.config/fish/completions/aibridge.fish
    """
    root = ctx.find_root()
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(root.command, {}, "aibridge", "_AIBRIDGE_COMPLETE").source())
