"""What Amazon Bedrock makes of the Messages API: its requests (`body`, `invoke_model`) and its answers (`events`)."""
