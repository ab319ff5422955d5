"""Converse, AWS's one way to speak to the models of many makers: a vendor's side only, for no client speaks it here."""

from urllib.parse import quote

from tokenharbor.wire.dialects.bedrock_converse import failures, requests
from tokenharbor.wire.dialects.bedrock_converse.reader import DIALECT, ConverseReader, read_reply
from tokenharbor.wire.neutral.chat import Feature


class BedrockConverse:
    """The dialect `bedrock_converse`; fulfils `ProviderDialect`."""

    name = DIALECT
    carries: frozenset[Feature] = requests.CARRIES
    heeds = staticmethod(requests.heeds)
    stops = staticmethod(requests.stops)
    write_chat = staticmethod(requests.write_chat)
    read_reply = staticmethod(read_reply)
    read_failure = staticmethod(failures.read_failure)
    reader = ConverseReader

    def path(self, model: str, *, stream: bool) -> str:
        """The model may be an ARN: its colons and slashes are the name's, not the path's."""
        return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"
