"""Settings: the operator's TOML file, overridden by the environment, read into frozen types.

This is the only file that reads the environment.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import inspect

from tokenharbor.app.overrides import apply_overrides, is_override
from tokenharbor.http.forwarded import TrustedProxies
from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.tables import ConfigFaults, TableLocation, did_you_mean, parse_toml, read_fields
from tokenharbor.mail.smtp import TlsMode
from tokenharbor.payments.registry import PROCESSOR_SETTINGS, REFERENCES

PREFIX: Final = "TOKENHARBOR_"

REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0\r\n]+")
"""A reference to a secret, as settings give it."""

_CALLER_VARIABLES = frozenset(
    f"{PREFIX}{name}" for name in ("KEY", "API_KEY", "BASE_URL")
)  # used by examples on our pages; not settings
_IS_ADDRESS = re.compile(r"[^@\s,;<>()]+@[^@\s,;<>()]+")
_HINT = "refer to it with env:NAME or file:PATH"

_MOST_WORKERS = 64

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Count = Annotated[int, msgspec.Meta(ge=1)]
WorkerCount = Annotated[int, msgspec.Meta(ge=1, le=_MOST_WORKERS)]
Hours = Annotated[int, msgspec.Meta(ge=1, le=8_760)]
HostName = Annotated[str, msgspec.Meta(pattern=r"^[^/\s:@]+$")]
PublicUrl = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/\s?#@]+$")]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[server]`. `secret` and `metrics_token` are references; `max_body` and `max_buffered` are in bytes,
    `min_body_rate` in bytes per second; `public_url` is the URL for browsers, if not host and port.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    workers: WorkerCount | Literal["auto"] = 1
    drain_seconds: Seconds = 30
    trusted_proxies: tuple[str, ...] = ()
    max_body: Count = 32 << 20
    max_buffered: Count = 512 << 20
    min_body_rate: Count = 4 << 10
    journal_grace_hours: Hours = 24
    secret: str | None = None
    metrics_token: str | None = None
    public_url: PublicUrl | None = None

    @property
    def browser_url(self) -> str:
        """The server's URL for browsers. On this machine always localhost, since cookies belong to one host."""
        host = "localhost" if self.host == "127.0.0.1" else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def worker_count(self) -> int:
        """The number of workers; for "auto", one per core that this process may use."""
        return min(len(os.sched_getaffinity(0)), _MOST_WORKERS) if self.workers == "auto" else self.workers


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[database]`. Without `url`, the embedded PostgreSQL under HOME is used."""

    url: str | None = None


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[redis]`. Not needed for a single gateway process."""

    url: str | None = None


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[mail]`: the SMTP server; without `server`, mail is off. `password` is a reference."""

    server: HostName | None = None
    port: Port = 587
    tls: TlsMode = "starttls"
    user: str | None = None
    password: str | None = None
    sender: str | None = None


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[alerts]`. `private_webhooks` allows customers' webhooks at private addresses and without TLS."""

    private_webhooks: bool = False


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[operator]`: the issuer as printed on statements and receipts. `address` may have several lines."""

    name: str = ""
    address: str = ""
    email: str = ""
    tax_id: str = ""


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[console]`. `enabled` runs the console's process beside the server. `replica_url` is a replica of the
    database, used for long reads.
    """

    enabled: bool = True
    replica_url: str | None = None


class OpenIdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[openid]`: an OpenID provider that people can sign in with; without `issuer` there is none. `client_secret` is
    a reference, `name` is shown to people.
    """

    name: str = ""
    issuer: PublicUrl | None = None
    client_id: str = ""
    client_secret: str | None = None


class _SettingsFile(msgspec.Struct, frozen=True, kw_only=True):
    """The top-level keys of the file."""

    edition: str = "token-harbor"
    server: dict[str, Any] = {}
    database: dict[str, Any] = {}
    redis: dict[str, Any] = {}
    mail: dict[str, Any] = {}
    alerts: dict[str, Any] = {}
    operator: dict[str, Any] = {}
    openid: dict[str, Any] = {}
    console: dict[str, Any] = {}
    processors: dict[str, Any] = {}
    providers: dict[str, Any] = {}
    models: dict[str, Any] = {}


_SECTIONS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "server": ServerSettings,
    "database": DatabaseSettings,
    "redis": RedisSettings,
    "mail": MailSettings,
    "alerts": AlertSettings,
    "operator": OperatorSettings,
    "openid": OpenIdSettings,
    "console": ConsoleSettings,
    **{f"processors.{name}": kind for name, kind in PROCESSOR_SETTINGS.items()},
}
_SECRETS: Final = (
    ("server", "secret"),
    ("server", "metrics_token"),
    ("mail", "password"),
    ("openid", "client_secret"),
    *((f"processors.{name}", field_name) for name, field_name in REFERENCES),
)
_URLS: Final = (("database", "url"), ("redis", "url"), ("console", "replica_url"))


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set. `processors` has the settings of all processors, also disabled ones; `catalog`
    has `providers` and `models` as in the file.
    """

    home: Path
    file: Path
    edition: str
    server: ServerSettings
    database: DatabaseSettings
    redis: RedisSettings
    mail: MailSettings
    alerts: AlertSettings
    operator: OperatorSettings
    openid: OpenIdSettings
    console: ConsoleSettings
    processors: Mapping[str, Any]
    catalog: Mapping[str, Any]
    environ: Mapping[str, str] = field(repr=False)

    def secret(self, reference: str | None) -> str | None:
        """Return the secret of a reference, None if there is none. Raises Misconfigured for an unreadable file."""
        return None if reference is None else resolve_secret(reference, self.environ, self.home)


def load_settings(
    home: Path | None = None, file: Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Load the settings in force. A `home` or `file` of None is read from the environment, else the default is used.

    Raises Misconfigured; its message gives the place of each mistake, and no secret.
    """
    environ = dict(os.environ) if environ is None else environ  # noqa: TID251  the one place
    home = (home or _home(environ)).absolute()
    named = file or _path(environ, "CONFIG")
    usual = home / "tokenharbor.toml"
    path = (named or usual).absolute()
    tables = _parse(path, must_exist=path != usual)
    faults = ConfigFaults()
    stated = read_fields(_SettingsFile, tables, TableLocation(str(path), faults)) or _SettingsFile()
    over_tables = _refuse_unknown_variables(environ, frozenset(_references(tables)), faults)
    stated_sections = _stated_sections(stated, TableLocation(f"{path} [processors]", faults))
    sections = {
        name: _section(name, stated_sections[name], environ, TableLocation(f"{path} [{name}]", faults))
        for name in _SECTIONS
    }
    catalog: Mapping[str, Any] = {"providers": stated.providers, "models": stated.models}
    with faults.catch():
        catalog = apply_overrides(catalog, environ, over_tables, PREFIX)
    settings = Settings(
        home=home,
        file=path,
        edition=environ.get(f"{PREFIX}EDITION") or _edition_path(path, stated.edition),
        server=sections["server"],
        database=sections["database"],
        redis=sections["redis"],
        mail=sections["mail"],
        alerts=sections["alerts"],
        operator=sections["operator"],
        openid=sections["openid"],
        console=sections["console"],
        processors={name: sections[f"processors.{name}"] for name in PROCESSOR_SETTINGS},
        catalog=catalog,
        environ=environ,
    )
    _check(settings, faults)
    faults.raise_any()
    return settings


def resolve_secret(reference: str, environ: Mapping[str, str], folder: Path | None = None) -> str | None:
    """Return the secret at `env:NAME` or `file:PATH`, stripped; None if the variable or file is unset or empty.

    A relative path is resolved in `folder`. Raises Misconfigured for a file that cannot be read.
    """
    kind, _, rest = reference.partition(":")
    if kind == "env":
        return environ.get(rest, "").strip() or None
    if kind != "file":
        raise Misconfigured(f"a secret must be given by reference: {_HINT}")
    path = (folder or Path()) / rest
    try:
        return path.read_text("utf-8").strip() or None
    except OSError as error:
        raise Misconfigured(f"cannot read secret {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"secret {path} is not text") from None


def _home(environ: Mapping[str, str]) -> Path:
    named = _path(environ, "HOME")
    if named is not None:
        return named
    return Path("/var/lib/tokenharbor") if os.geteuid() == 0 else Path.home() / ".local/share/tokenharbor"


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(PREFIX + name)
    return Path(text).expanduser() if text else None


def _parse(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text("utf-8"), str(path))
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise Misconfigured(f"{path}: no such file") from None
        return {}
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{path}: not UTF-8") from None


def _references(value: object) -> Iterator[str]:
    """Yield the names of variables that a table refers to: they are the operator's own, whatever their prefix."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, str) and value.startswith("env:"):
        yield value.removeprefix("env:")


def _refuse_unknown_variables(
    environ: Mapping[str, str], references: frozenset[str], faults: ConfigFaults
) -> Sequence[str]:
    """Report unknown variables with our prefix. Return those that look like overrides of a provider or model."""
    known = {f"{PREFIX}{name}" for name in ("HOME", "CONFIG", "EDITION")}
    known |= {_variable(section, name) for section, kind in _SECTIONS.items() for name in kind.__struct_fields__}
    pointed_at = {environ[name].removeprefix("env:") for name in known if environ.get(name, "").startswith("env:")}
    meant = known | references | pointed_at | _CALLER_VARIABLES
    others = [name for name in sorted(environ) if name.startswith(PREFIX) and name not in meant]
    for name in others:
        if not is_override(name, PREFIX):
            faults.add(f"environment: unknown variable {name!r}{did_you_mean(name, known)}")
    return [name for name in others if environ[name] and is_override(name, PREFIX)]


def _stated_sections(stated: _SettingsFile, processors: TableLocation) -> Mapping[str, Any]:
    """Return the file's tables by section; a processor's is a table within `[processors]`."""
    for name in stated.processors:
        if name not in PROCESSOR_SETTINGS:
            processors.fault(f"unknown processor {name!r}{did_you_mean(name, PROCESSOR_SETTINGS.keys())}")
    own = {f"processors.{name}": stated.processors.get(name, {}) for name in PROCESSOR_SETTINGS}
    shared = {name: getattr(stated, name) for name in _SECTIONS if name not in own}
    return {**shared, **own}


def _variable(section: str, name: str) -> str:
    return f"{PREFIX}{section}_{name}".replace(".", "_").upper()


def _section(section: str, stated: Mapping[str, Any], environ: Mapping[str, str], place: TableLocation) -> Any:
    kind = _SECTIONS[section]
    of_file = read_fields(kind, stated, place) or kind()
    _refuse_clear_secrets(section, stated, place)
    from_environment = {}
    for each in inspect.type_info(kind).fields:  # type: ignore[attr-defined]  # a struct's has them
        variable = _variable(section, each.name)
        if environ.get(variable):
            table = {each.name: _value(each.type, environ[variable])}
            read = read_fields(kind, table, TableLocation(variable, place.faults)) or kind()
            from_environment[each.name] = getattr(read, each.name)
    return msgspec.structs.replace(of_file, **from_environment)


def _value(kind: inspect.Type, text: str) -> object:
    """Convert a variable's text to the type that TOML would give; return the text if it does not fit."""
    if isinstance(kind, inspect.BoolType) and text in ("true", "false"):
        return text == "true"
    if isinstance(kind, inspect.VarTupleType):
        return [item.strip() for item in text.split(",") if item.strip()]
    if isinstance(kind, inspect.UnionType):
        return next((read for each in kind.types if (read := _value(each, text)) != text), text)
    if isinstance(kind, (inspect.IntType, inspect.FloatType)) and re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        return int(text)
    if isinstance(kind, inspect.FloatType) and re.fullmatch(r"-?\d{1,18}\.\d{1,9}", text, re.ASCII):
        return float(text)
    return text


def _refuse_clear_secrets(section: str, stated: Mapping[str, Any], place: TableLocation) -> None:
    """Report URLs with a password in the file, since files are copied and shown. The environment may hold them."""
    for where, name in _URLS:
        url = stated.get(name) if where == section else None
        if isinstance(url, str) and not REFERENCE.fullmatch(url) and _has_password(url):
            place.fault(f"{name} contains a password in clear text; {_HINT}, or set {_variable(section, name)}")


def _has_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.password is not None or "password=" in parts.query


def _edition_path(path: Path, edition: str) -> str:
    """Resolve an edition given as a path, relative to the folder of the settings file; return a name unchanged."""
    return str(path.parent / edition) if "/" in edition or edition.endswith(".toml") else edition


def _check(settings: Settings, faults: ConfigFaults) -> None:
    for section, name in _SECRETS:
        owner, _, processor = section.partition(".")
        held = getattr(settings, owner)
        reference = getattr(held[processor] if processor else held, name)
        if reference is not None and not REFERENCE.fullmatch(reference):
            faults.add(f"{settings.file} [{section}]: {name} is in clear text; {_HINT}")
    for fault in _mail_faults(settings.mail):
        faults.add(f"{settings.file} [mail]: {fault}")
    for proxy in settings.server.trusted_proxies:
        with faults.catch():
            TrustedProxies((proxy,))


def _mail_faults(mail: MailSettings) -> Iterator[str]:
    if mail.server is None:
        return
    if mail.sender is None or not _IS_ADDRESS.fullmatch(mail.sender):
        yield "sender must be an address such as alerts@example.com"
    if (mail.user is None) != (mail.password is None):
        yield "user and password belong together"
    if mail.password is not None and mail.tls == "off":
        yield 'a password requires tls = "starttls" or "tls"'
