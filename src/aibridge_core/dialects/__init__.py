"""The AI APIs ("dialects"), each in a folder of its own with the same files; none imports another."""
