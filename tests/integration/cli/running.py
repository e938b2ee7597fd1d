"""The shapes of the fixtures that run `aibridge`."""

import subprocess
from collections.abc import Callable

from click.testing import Result

Command = Callable[..., Result]
"""`aibridge("users", "list", AIBRIDGE_DATABASE_URL=...)` in this process."""

Process = Callable[..., "subprocess.CompletedProcess[str]"]
"""The same as a process of its own."""
