"""A tool as a coding agent offers it, in the words of each API."""

SCHEMA = {
    "type": "object",
    "properties": {"file_path": {"type": "string"}, "limit": {"type": "integer", "minimum": 5}},
    "required": ["file_path", "limit"],
}
ARGUMENTS = {"file_path": "README.md", "limit": 5}

MESSAGES_TOOL = {"name": "Read", "description": "Reads a file.", "input_schema": SCHEMA}
CHAT_TOOL = {"type": "function", "function": {"name": "Read", "description": "Reads a file.", "parameters": SCHEMA}}
RESPONSES_TOOL = {"type": "function", "name": "Read", "description": "Reads a file.", "parameters": SCHEMA}
