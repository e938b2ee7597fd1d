"""Signatures of requests to AWS.

Belongs here: Signature Version 4, by botocore. Never: where credentials come from (`credentials`).
"""

from collections.abc import Sequence

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from aibridge_adapters.aws.credentials import AwsCredentials
from aibridge_core.wire import Headers, UpstreamRequest


class AwsSigner:
    """Implements `aibridge_core.signing.Signer`."""

    def __init__(self, credentials: AwsCredentials, *, service: str, region: str) -> None:
        """`service`: as AWS's signatures name it."""
        self._credentials = credentials
        self._service = service
        self._region = region

    @property
    def key_id(self) -> str:
        """The id of the access key; empty before the first use of credentials that have to be found."""
        return self._credentials.key_id

    @property
    def secrets(self) -> Sequence[str]:
        """The session's token, if there is one; the secret of the access key isn't in what is sent."""
        return self._credentials.tokens

    async def sign(self, request: UpstreamRequest) -> Headers:
        """Raises NoUpstreamCredential, UpstreamTimeout."""
        return signature(request, await self._credentials.current(), service=self._service, region=self._region)


def signature(request: UpstreamRequest, credentials: ReadOnlyCredentials, *, service: str, region: str) -> Headers:
    """The headers of a signature over method, URL and body.

    No other header is signed than `host` and the signature's own, which is all that AWS asks for: whatever else a
    client sends, or a trace adds, may change on the way without spoiling it.
    """
    signed = AWSRequest(method=request.method, url=request.url, data=request.body)
    SigV4Auth(credentials, service, region).add_auth(signed)
    return tuple((name.lower().encode("ascii"), value.encode("ascii")) for name, value in signed.headers.items())
