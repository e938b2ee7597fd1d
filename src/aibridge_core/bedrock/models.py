"""Names of models on Amazon Bedrock: which one is asked for a client's, and which model a name stands for.

Belongs here: names. Never: a request to AWS, also not one that asks what a name stands for.

Source: docs.aws.amazon.com/bedrock, "Supported foundation models", "Supported Regions and models for inference
profiles"; Amazon Bedrock Runtime API, "InvokeModel", modelId.
"""

import re
from typing import Final

from attrs import frozen

from aibridge_core.errors import NotSupported

_TELLING: Final = re.compile(r"arn:[^/]*:(?:foundation-model|inference-profile)/(?P<name>[^/]+)")
"""Of the ARNs, those that hold the model's own name; the others hold what somebody in the account chose."""
_FOUNDATION: Final = re.compile(r"(?:[a-z-]+\.)?(?P<name>anthropic\..+)")
"""A cross-region profile is named by an area, such as `eu` or `global`, before the model's own name."""


@frozen(kw_only=True)
class Models:
    """Which models are asked for on Bedrock, in place of those that clients name."""

    main: str = ""
    """Empty: the one that the client names, if it is one of Bedrock's."""
    small_fast: str = ""
    """For what clients ask of a small model; empty: the main one."""

    def of(self, asked: str) -> str:
        """The model for a name. Raises NotSupported if the client names none of Bedrock's and none is configured."""
        mapped = self.small_fast if "haiku" in asked and self.small_fast else self.main
        if mapped or "anthropic." in asked or asked.startswith("arn:"):
            return mapped or asked
        raise NotSupported(
            f"no model of Amazon Bedrock is configured for {asked!r}. Ask your administrator for BEDROCK_MODEL, or "
            "name one of Bedrock's own, such as global.anthropic.claude-sonnet-4-5-20250929-v1:0"
        )


@frozen(kw_only=True)
class Asked:
    """A model as Bedrock is asked for it, and as people know it."""

    id: str
    """A name or an ARN."""
    name: str
    """Of the model, or of a cross-region profile of it; empty if that isn't known."""

    @property
    def recorded(self) -> str:
        """What says best which model it is."""
        return self.name or self.id

    @property
    def profile(self) -> str:
        """The ARN, if that says more than the name."""
        return self.id if self.name and not plain_name(self.id) else ""


def plain_name(model: str) -> str:
    """The name of the model, or of the cross-region profile, that this name or ARN stands for.

    Empty if only AWS knows: application inference profiles, provisioned throughput, imported models, prompt routers.
    """
    if not model.startswith("arn:"):
        return model
    found = _TELLING.fullmatch(model)
    return found["name"] if found else ""


def foundation_model(model: str) -> str:
    """The name of the foundation model behind a plain name, for what AWS answers of foundation models alone."""
    found = _FOUNDATION.fullmatch(model)
    return found["name"] if found else model
