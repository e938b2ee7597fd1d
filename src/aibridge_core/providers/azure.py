"""Azure OpenAI, by its v1 API: OpenAI's routes below `https://RESOURCE.openai.azure.com/openai/v1/`.

A key travels in a header of its own; users' tokens of Microsoft Entra travel as everywhere. An `api-version` in the
query goes on as it is; the v1 API needs none. Source: learn.microsoft.com, "Azure OpenAI v1 API".
"""

from attrs import evolve

from aibridge_core.providers import openai
from aibridge_core.providers.api import CredentialPlace

KIND = evolve(openai.KIND, places=(CredentialPlace(b"api-key"), *openai.KIND.places))
