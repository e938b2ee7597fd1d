"""What a process that serves for long asks of the garbage collector. Never: what it serves."""

import gc

GC_THRESHOLD = 5000
"""New objects between two searches for cycles among them; Python's default is 700."""


def settle_memory() -> None:
    """Take what the start has made out of garbage collection: it stays for good, and walking it delays requests.

    Nearly all that a request makes is freed by reference counts, so cycles may be looked for less often, too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 10, 10)
