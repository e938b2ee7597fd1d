"""How long a database server may take, and how many connections are kept to it.

Belongs here: the numbers. Never: what happens when they are passed.
"""

from attrs import frozen


@frozen(kw_only=True)
class Limits:
    """All times in seconds."""

    pool_size: int = 5
    """Connections of one process, 2 or more: one writes the trail, the others read it and keep users and tokens."""
    statement_timeout: float = 5.0
    """Longest run of one statement; set for each transaction, so that it holds behind a transaction pooler too."""
    lock_timeout: float = 2.0
    """Longest wait of a statement for another transaction's lock."""
    patience: float = 1.0
    """How long a write is tried again when the connection breaks, before whoever waits for it is told."""
    farewell: float = 5.0
    """How long closing tries to write what still waits."""

    @property
    def transaction_timeout(self) -> float:
        """When a connection is given up on: the server had its time, and another second to say so."""
        return self.statement_timeout + 1.0
