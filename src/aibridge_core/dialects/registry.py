"""All dialects by name. The one place that knows every one of them."""

from collections.abc import Mapping

from aibridge_core.dialects.api import Dialect
from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.dialects.invoke_model import InvokeModelDialect
from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.dialects.responses import ResponsesDialect

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (MessagesDialect(), ChatCompletionsDialect(), ResponsesDialect(), InvokeModelDialect())
}
