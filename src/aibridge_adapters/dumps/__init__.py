"""Whole exchanges with providers as files, for debugging: off unless a folder is named. Start in `upstream.py`.

Belongs here: what others may import. Never: the audit trail; a dump is gone when its time or its room is over.
"""

from aibridge_adapters.dumps.folder import Dump, Folder
from aibridge_adapters.dumps.pages import AS_MESSAGES, Dumping
from aibridge_adapters.dumps.upstream import DumpedSockets, DumpedUpstream
from aibridge_adapters.dumps.writer import Limits, Writer

__all__ = ["AS_MESSAGES", "Dump", "DumpedSockets", "DumpedUpstream", "Dumping", "Folder", "Limits", "Writer"]
