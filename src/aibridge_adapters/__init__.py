"""The world around the core: one folder per port, one file per technology, none importing a sibling folder.

`aibridge_adapters.compose` is the only place where they meet.
"""
