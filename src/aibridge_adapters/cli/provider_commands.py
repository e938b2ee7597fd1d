"""`aibridge providers`: the way to the models.

Belongs here: the group. Never: what its commands do; each has its own file.
"""

import click

from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.provider_reload_command import reload


@click.group(cls=Group)
def providers() -> None:
    """See to the providers that a gateway relays to.

    \b
    aibridge providers reload
    """


providers.add_command(reload)
