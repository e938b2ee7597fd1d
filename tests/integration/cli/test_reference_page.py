"""The reference page of the command line is what the commands say of themselves."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def test_the_page_is_current() -> None:
    """If it is not, the message names the command that writes it."""
    done = subprocess.run(
        [sys.executable, "docs/generate_cli_reference.py", "--check"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
