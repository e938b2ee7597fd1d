"""`aibridge providers`: the way to the models.

Belongs here: the group. Never: what its commands do; each has its own file.
"""

import click

from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.provider_check_command import check, list_providers
from aibridge_adapters.cli.provider_reload_command import reload


@click.group(cls=Group)
def providers() -> None:
    """See to the providers that a gateway relays to.

    \b
    What is configured:              aibridge providers list
    Whether it answers, each key:    aibridge providers check
    After a change, while it runs:   aibridge providers reload
    """


providers.add_command(list_providers)
providers.add_command(check)
providers.add_command(reload)
