"""How many files and connections the process may have open.

Belongs here: raising the limit that holds until somebody asks. Never: the hard limit, which is the operator's.
"""

import logging
import sys

_log = logging.getLogger("aibridge")

WANTED = 65_536
"""Two for each request under way, and as many idle connections of clients as a big organisation has."""


def raise_open_files() -> None:
    """Raise the soft limit as far as the hard one and `WANTED` allow; login shells have 1,024, for ancient programs."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft == resource.RLIM_INFINITY or soft >= limit:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (OSError, ValueError) as error:
        _log.warning("can't raise the limit of open files", extra={"limit": soft, "reason": str(error)})
        return
    _log.info("raised the limit of open files", extra={"before": soft, "limit": limit})
