"""AWS: the gateway's own credentials there, and signatures made with them.

Belongs here: everything that needs botocore, which comes with the extra `bedrock`, and what AWS is asked on the
gateway's own behalf. Never: what Bedrock makes of a request (`aibridge_core.bedrock`).
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aibridge_adapters.config import BedrockSettings

if TYPE_CHECKING:
    from aibridge_adapters.aws.signer import AwsSigner

__all__ = ["AwsUnusable", "aws_signer"]


class AwsUnusable(Exception):
    """A provider on AWS is configured that can't be used here. The text says what to do."""


def aws_signer(settings: BedrockSettings, *, service: str, ca_bundle: Path | None = None) -> "AwsSigner":
    """What signs requests to this service. Raises AwsUnusable if botocore is missing."""
    if find_spec("botocore") is None:
        raise AwsUnusable(
            "Amazon Bedrock is configured, but the package `botocore` is not installed; "
            "install it with: pip install 'aibridge[bedrock]'"
        )
    # The package takes a quarter of a second to import; a gateway without Bedrock doesn't pay for it.
    from aibridge_adapters.aws.credentials import AwsCredentials  # noqa: PLC0415
    from aibridge_adapters.aws.signer import AwsSigner  # noqa: PLC0415

    return AwsSigner(AwsCredentials(settings, ca_bundle=ca_bundle), service=service, region=settings.region)
