"""The parts of the storage contract, by subject. Subclass `aibridge_core.testing.storage_contract`, not these."""
