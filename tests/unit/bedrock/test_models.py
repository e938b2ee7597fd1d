"""Which model a name on Bedrock stands for."""

import pytest

from aibridge_core.bedrock.models import foundation_model, plain_name
from aibridge_core.bedrock.refusals import told

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PUBLIC = f"arn:aws:bedrock:eu-central-1::foundation-model/{SONNET}"
ACCOUNT = "arn:aws:bedrock:eu-central-1:123456789012"


@pytest.mark.parametrize(
    ("name", "plain", "foundation"),
    [
        (SONNET, SONNET, SONNET),
        (f"eu.{SONNET}", f"eu.{SONNET}", SONNET),
        (f"us-gov.{SONNET}", f"us-gov.{SONNET}", SONNET),
        (f"global.{SONNET}", f"global.{SONNET}", SONNET),
        (PUBLIC, SONNET, SONNET),
        (f"{ACCOUNT}:inference-profile/eu.{SONNET}", f"eu.{SONNET}", SONNET),
        (f"{ACCOUNT}:application-inference-profile/abc123", "", ""),
        (f"{ACCOUNT}:provisioned-model/abc", "", ""),
        ("us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
    ],
)
def test_a_name_tells_its_model(name: str, plain: str, foundation: str) -> None:
    """ARNs that hold a model's name stand for it; those that hold what somebody chose, for nothing that is known."""
    assert plain_name(name) == plain
    assert foundation_model(plain) == foundation


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Input is too long for requested model.", "Input is too long for requested model."),
        (
            "You can't use arn:aws:iam::123456789012:role/x.",
            "You can't use [withheld].",
        ),
        ("Account 123456789012 isn't authorized", "Account [withheld] isn't authorized"),
        (PUBLIC, PUBLIC),
        ("limit 1234567890123 tokens", "limit 1234567890123 tokens"),
    ],
)  # fmt: skip
def test_messages_lose_the_account_and_nothing_else(said: str, heard: str) -> None:
    """Clients recover by the words that are left."""
    assert told(said) == heard
