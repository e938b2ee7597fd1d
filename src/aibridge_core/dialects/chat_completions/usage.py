"""Where chat completions answers put their token counts.

Belongs here: names. Never: arithmetic (see `openai_usage`).
"""

from aibridge_core.dialects.openai_usage import Layout

_PROMPT = "prompt_tokens_details"
_COMPLETION = "completion_tokens_details"

LAYOUT = Layout(
    input=(("prompt_tokens",),),
    output=(("completion_tokens",),),
    cached=(
        (_PROMPT, "cached_tokens"),
        ("prompt_cache_hit_tokens",),  # DeepSeek
        ("cached_tokens",),  # Moonshot
    ),
    written=((_PROMPT, "cache_write_tokens"),),
    extra=(
        ("prompt_audio", (_PROMPT, "audio_tokens")),
        ("completion_accepted_prediction", (_COMPLETION, "accepted_prediction_tokens")),
        ("completion_rejected_prediction", (_COMPLETION, "rejected_prediction_tokens")),
        ("completion_audio", (_COMPLETION, "audio_tokens")),
        ("completion_reasoning", (_COMPLETION, "reasoning_tokens")),
    ),
)
