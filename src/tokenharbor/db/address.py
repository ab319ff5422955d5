"""The address of a database in messages: host and port or the socket's folder, never user or password."""

from urllib.parse import parse_qs, unquote, urlsplit

_PORT = "5432"
_UNREADABLE = "the address in database.url"


def show_address(url: str) -> str:
    """Return `HOST:PORT`, several of them separated by commas, or a socket's folder. A URL in which the address cannot
    be told from a user or password is not shown.
    """
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
    except ValueError:
        return _UNREADABLE
    if "@" in parts.path + parts.query + parts.fragment:
        return _UNREADABLE  # a password with a character that ends the address
    hosts = parts.netloc.rpartition("@")[2] or query.get("host", [""])[-1]
    if not hosts:
        return "the local server"
    ports = query.get("port", [_PORT])[-1].split(",")
    each = hosts.split(",")
    ports += ports[-1:] * (len(each) - len(ports))
    return ", ".join(_one(unquote(host), port) for host, port in zip(each, ports, strict=False))


def _one(host: str, port: str) -> str:
    if host.startswith("/"):
        return host
    return host if ":" in host.rpartition("]")[2] else f"{host}:{port}"
