"""The kinds of provider, one file each: routes, default address, and how a credential travels."""
