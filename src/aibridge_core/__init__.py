"""The domain of an AI gateway, without I/O: what an interception is, and how each AI API is read.

Nothing here opens a socket, reads a clock or makes an id. What the core needs of the world it declares in
`aibridge_core.ports`; `aibridge_adapters` implements those ports.
"""
