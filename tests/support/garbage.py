"""What waits for the garbage collector."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def no_collector(*kinds: type) -> Iterator[Callable[[], int]]:
    """Only reference counts free anything. Gives how many of `kinds` were made since and are still alive."""
    gc.collect()
    gc.disable()
    others = [each for each in gc.get_objects() if type(each) in kinds]  # of other tests; kept, so that ids stay theirs
    known = set(map(id, others))
    try:
        yield lambda: sum(type(each) in kinds and id(each) not in known for each in gc.get_objects())
    finally:
        gc.enable()
