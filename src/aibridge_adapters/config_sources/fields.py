"""What can be said about one provider: the shape of a row, and the rows about Amazon Bedrock.

Belongs here: names, kinds and meanings. Never: types of provider (`provider_types`), or how rows fit together.
"""

from attrs import frozen

from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.kinds import Kind


@frozen(kw_only=True)
class ProviderField:
    """One thing that can be said about a provider."""

    name: str
    """In `[[providers]]`; in capitals, in the environment."""
    kind: Kind | None
    """None: not one plain value, so it is read by itself."""
    meaning: str

    @property
    def variable(self) -> str:
        """The last part of its environment name."""
        return self.name.upper()


BEDROCK_FIELDS = {
    row.name: row
    for row in (
        ProviderField(
            name="bedrock_region",
            kind=kinds.TEXT,
            meaning="AWS region. With it a provider of type `anthropic` without a key is asked on Amazon Bedrock.",
        ),
        ProviderField(
            name="bedrock_base_url",
            kind=kinds.BASE_URL,
            meaning="Where Bedrock is, if not at the region's own endpoint: a VPC endpoint, for example.",
        ),
        ProviderField(
            name="bedrock_control_url",
            kind=kinds.BASE_URL,
            meaning=(
                "Bedrock's control plane, which knows inference profiles. Default: AWS's own in the region; none "
                "beside a base URL that isn't AWS's own."
            ),
        ),
        ProviderField(
            name="bedrock_protocol",
            kind=kinds.choice("invoke_model", "mantle"),
            meaning="`invoke_model` (default), or `mantle`: Bedrock's own Messages API, which gets bodies unchanged.",
        ),
        ProviderField(
            name="bedrock_model",
            kind=kinds.TEXT,
            meaning="Model or inference profile that is asked, whichever the client names. Default: the client's.",
        ),
        ProviderField(
            name="bedrock_small_fast_model",
            kind=kinds.TEXT,
            meaning="The same for requests whose model's name contains `haiku`.",
        ),
        ProviderField(
            name="bedrock_access_key",
            kind=kinds.TEXT,
            meaning="Id of an access key. Without one: AWS's default chain (environment, profile, machine role).",
        ),
        ProviderField(name="bedrock_access_key_secret", kind=kinds.secret(least=1), meaning="Its secret."),
        ProviderField(name="bedrock_access_key_secret_file", kind=None, meaning="A file that holds the secret."),
        ProviderField(name="bedrock_session_token", kind=kinds.secret(least=1), meaning="Of a temporary access key."),
        ProviderField(name="bedrock_profile", kind=kinds.TEXT, meaning="Profile of the default chain."),
        ProviderField(name="bedrock_role_arn", kind=kinds.TEXT, meaning="A role that the gateway takes."),
        ProviderField(name="bedrock_external_id", kind=kinds.TEXT, meaning="The external id that the role asks for."),
    )
}
