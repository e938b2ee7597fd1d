"""What can go wrong when a storage is opened. Failures afterwards are the core's RecordingFailed and StoreUnavailable.

StorageError
├─ StorageConfigError   the URL is not one that can be opened (also a ValueError)
└─ StorageNotOpened     the database can't be used as it is
   └─ MigrationFailed       its schema could not be brought up to date, and was left as it was
      └─ DatabaseTooNew         a newer aibridge has written it
"""


class StorageError(Exception):
    """Base of what opening a storage raises; the message is for the operator and holds no secret."""


class StorageConfigError(StorageError, ValueError):
    """A database URL that this version can't open; the message says which it can."""


class StorageNotOpened(StorageError):
    """A missing permission, a full disk, a file that isn't a database ..."""


class MigrationFailed(StorageNotOpened):
    """A migration was refused by the database. Nothing of it was kept."""


class DatabaseTooNew(MigrationFailed):
    """The schema is newer than this program."""
