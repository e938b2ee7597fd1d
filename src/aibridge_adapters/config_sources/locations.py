"""Where the configuration file is. Belongs here: the places to look at. Never: reading it."""

from collections.abc import Mapping
from pathlib import Path

import platformdirs

FILE_NAME = "aibridge.toml"
FILE_VARIABLE = "AIBRIDGE_CONFIG"


def find_file(
    named: Path | None, environ: Mapping[str, str], *, folder: Path | None = None, user_folder: Path | None = None
) -> Path | None:
    """The file to read: the named one, else that of `AIBRIDGE_CONFIG`, else the first `aibridge.toml` that exists in
    the working directory or in the user's configuration folder. A file that was named need not exist; reading says so.
    """
    if named is not None:
        return named
    if variable := environ.get(FILE_VARIABLE, "").strip():
        return Path(variable).expanduser()
    user_folder = user_folder or platformdirs.user_config_path("aibridge", appauthor=False)
    places = ((folder or Path()) / FILE_NAME, user_folder / FILE_NAME)
    return next((place for place in places if place.is_file()), None)
