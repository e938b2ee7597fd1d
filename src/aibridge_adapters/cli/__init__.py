"""The command `aibridge`: one file per group of commands, and the few habits that all of them share.

Nothing here is imported by another adapter. Heavy imports happen inside commands, so that help stays quick.
"""
