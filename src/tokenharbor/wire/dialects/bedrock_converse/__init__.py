"""Converse, AWS's API for many makers' models: only the vendor's side, as no client speaks it here."""

from urllib.parse import quote

from tokenharbor.wire.dialects.bedrock_converse import failures, requests
from tokenharbor.wire.dialects.bedrock_converse.reader import DIALECT, ConverseReader, read_reply
from tokenharbor.wire.neutral.chat import Feature


class BedrockConverse:
    """The dialect `bedrock_converse`, a `ProviderDialect`."""

    name = DIALECT
    supported_features: frozenset[Feature] = requests.SUPPORTED_FEATURES
    supported_advice = staticmethod(requests.supported_advice)
    supported_stops = staticmethod(requests.supported_stops)
    write_chat = staticmethod(requests.write_chat)
    read_reply = staticmethod(read_reply)
    read_failure = staticmethod(failures.read_failure)
    reader = ConverseReader

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path; the model may be an ARN, whose colons and slashes are escaped."""
        return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"
