"""Google's library as its users make it, but for the certificates that nobody here asks for."""

import ssl
from typing import Any

from google import genai
from google.genai import types

_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""One for all clients: to read the world's certificates for each of them takes longer than its test."""


def google_client(base_url: str, key: str = "k", **options: Any) -> genai.Client:
    verify = {"verify": _TLS}
    return genai.Client(
        api_key=key,
        http_options=types.HttpOptions(
            base_url=base_url, client_args=verify, async_client_args=verify | {"ssl": _TLS}, **options
        ),
    )
