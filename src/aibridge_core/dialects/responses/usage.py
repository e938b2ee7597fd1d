"""Where Responses answers put their token counts.

Belongs here: names. Never: arithmetic (see `openai_usage`).
"""

from aibridge_core.dialects.openai_usage import Layout

LAYOUT = Layout(
    input=(("input_tokens",),),
    output=(("output_tokens",),),
    cached=(("input_tokens_details", "cached_tokens"),),
    written=(("input_tokens_details", "cache_write_tokens"),),
    extra=(
        ("output_reasoning", ("output_tokens_details", "reasoning_tokens")),
        ("total_tokens", ("total_tokens",)),
    ),
)
