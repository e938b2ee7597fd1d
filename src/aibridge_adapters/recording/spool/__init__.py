"""The spool: an append-only file that stands in for the database while it is away, and is written to it afterwards.

Belongs here: the parts in the order of use. `coding` makes lines, `file` keeps them, `folder` says whose files are
whose, `reader` reads them back, `spool` appends while requests run, `adopted` takes over what a dead process left.
Never: the database.
"""

from aibridge_adapters.recording.spool.adopted import AdoptedFile
from aibridge_adapters.recording.spool.folder import SpoolFolder, SpoolNotOpened
from aibridge_adapters.recording.spool.spool import Spool

__all__ = ["AdoptedFile", "Spool", "SpoolFolder", "SpoolNotOpened"]
