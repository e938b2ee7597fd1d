"""Names of spans and attributes, and where they come from.

Belongs here: names, and the values that conventions fix. Never: when a span begins or ends. Names of other conventions
change between versions of these; this is the one place that knows them.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry.trace import SpanKind

GEN_AI_VERSION: Final = "1.44.0"
"""Of the OpenTelemetry semantic conventions for generative AI (status: development); these names are of it."""
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

# Spans, in the order of a request.
ACQUIRE: Final = "CachedBridgePool.Acquire"
INIT_SERVERS: Final = "ServerProxyManager.Init"
INIT_SERVER: Final = "StreamableHTTPServerProxy.Init"
FETCH_TOOLS: Final = "StreamableHTTPServerProxy.Init.fetchTools"
INTERCEPT: Final = "Intercept"
CREATE: Final = "Intercept.CreateInterceptor"
PROCESS: Final = "Intercept.ProcessRequest"
UPSTREAM: Final = "Intercept.ProcessRequest.Upstream"
TOOL_CALL: Final = "Intercept.ProcessRequest.ToolCall"
RECORD_START: Final = "Intercept.RecordInterception"
RECORD_PROMPT: Final = "Intercept.RecordPromptUsage"
RECORD_TOKENS: Final = "Intercept.RecordTokenUsage"
RECORD_TOOL: Final = "Intercept.RecordToolUsage"
RECORD_THOUGHT: Final = "Intercept.RecordModelThought"
RECORD_END: Final = "Intercept.RecordInterceptionEnded"
PASSTHROUGH: Final = "Passthrough"

CLIENT_KIND: Final = SpanKind.CLIENT
SERVER_KIND: Final = SpanKind.SERVER

# Events.
CACHE_HIT: Final = "cache_hit"
CACHE_MISS: Final = "cache_miss"

# Attributes that dashboards of the field know.
REQUEST_PATH: Final = "request_path"
INTERCEPTION_ID: Final = "interception_id"
USER_ID: Final = "user_id"
API_KEY_ID: Final = "api_key_id"
PROVIDER: Final = "provider"
MODEL: Final = "model"
STREAMING: Final = "streaming"
AWS_BEDROCK: Final = "aws_bedrock"
MCP_PROXY_NAME: Final = "mcp_proxy_name"
MCP_SERVER_NAME: Final = "mcp_server_name"
MCP_SERVER_URL: Final = "mcp_server_url"
MCP_TOOL_COUNT: Final = "mcp_tool_count"
MCP_TOOL_NAME: Final = "mcp_tool_name"
MCP_INPUT: Final = "mcp_input"
PASSTHROUGH_URL: Final = "passthrough_url"
PASSTHROUGH_METHOD: Final = "passthrough_method"
PASSTHROUGH_UPSTREAM_URL: Final = "passthrough_upstream_url"

# Attributes of our own.
STATUS: Final = "aibridge.status"
CLIENT: Final = "aibridge.client"

# OpenTelemetry semantic conventions, stable: HTTP, errors, network.
ERROR_TYPE: Final = "error.type"
HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_VERSION: Final = "network.protocol.version"
URL_PATH: Final = "url.path"
URL_SCHEME: Final = "url.scheme"
USER_AGENT: Final = "user_agent.original"
CLIENT_ADDRESS: Final = "client.address"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"),
)
"""Any other method is `_OTHER`, since clients could make up as many as they like ("HTTP spans", Method)."""
OTHER_METHOD: Final = "_OTHER"

# Semantic conventions for generative AI, of `GEN_AI_VERSION`.
OPERATION: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
"""In seconds."""
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
"""One for each choice, in the API's own words."""
CONVERSATION: Final = "gen_ai.conversation.id"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
"""Cached ones included."""
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
"""Reasoning included."""
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"

CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"
TOOL_ERROR: Final = "tool_error"
"""`error.type` of a call whose tool says itself that it failed ("MCP semantic conventions")."""

PROVIDER_NAMES: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "openai": "openai",
}
"""Provider types -> well-known values of `gen_ai.provider.name`; other types keep their own names."""

REASONING_COUNTS: Final = ("output_thinking", "completion_reasoning", "output_reasoning")
"""Names of the same count among the extra counts of the three APIs."""
