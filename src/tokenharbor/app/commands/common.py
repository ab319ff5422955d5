"""Base classes and options shared by all commands, their settings, and how they print results."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec

from tokenharbor.app.settings import Settings, load_settings
from tokenharbor.kernel.tables import did_you_mean

_META = "tokenharbor.app."


def _keep(context: click.Context, param: click.Parameter, value: object) -> None:
    """Store a shared option in the context. It may precede or follow the subcommand; the last one wins."""
    if value:
        context.meta[_META + str(param.name)] = value


class _PathType(click.Path):
    """A path that must not be empty: an unset shell variable must not mean the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


def _shared_options() -> list[click.Parameter]:
    place = _PathType(path_type=Path)
    return [
        click.Option(["--home"], type=place, metavar="DIR", help="Data directory.", **_KEPT),
        click.Option(
            ["--config"], type=place, metavar="FILE", help="Configuration file; default DIR/tokenharbor.toml.", **_KEPT
        ),
        click.Option(["--json"], is_flag=True, help="Print JSON.", **_KEPT),
    ]


_KEPT: dict[str, Any] = {"expose_value": False, "callback": _keep}


class Command(click.Command):
    """A command with the options `--home`, `--config` and `--json`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared_options()


class Group(click.Group):
    """A group of commands; it takes the shared options before the subcommand."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared_options()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the subcommand as click does; suggest the nearest name if there is none."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'{did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)


def current_settings() -> Settings:
    """Load the settings in force for this command. Raises Misconfigured."""
    meta = click.get_current_context().meta
    return load_settings(meta.get(f"{_META}home"), meta.get(f"{_META}config"))


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command's output, as a JSON document and as lines for people. With a `failure`, the command exits 1."""

    document: Any
    lines: Iterable[str]
    failure: str | None = None


def wants_json() -> bool:
    return bool(click.get_current_context().meta.get(f"{_META}json"))


def show_result(result: CommandResult) -> None:
    """Print a result as JSON or text; exit 1 if it reports a failure."""
    if wants_json():
        click.echo(msgspec.json.format(msgspec.json.encode(result.document), indent=2))
    else:
        for line in result.lines:
            click.echo(line)
    if result.failure is not None:
        click.echo(f"tokenharbor: {result.failure}", err=True)
        click.get_current_context().exit(1)


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    """Format rows as aligned columns below a heading; return no lines if there are no rows."""
    cells = [tuple("" if cell is None else str(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *cells)]
    return [line.rstrip() for line in lines] if cells else []


def field_lines(value: Any, name: str = "") -> Iterator[str]:
    """Yield each leaf of a document as `path: value`, booleans as in JSON; skip nulls and empty strings."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from field_lines(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from field_lines(each, f"{name}[{number}]")
    elif value not in (None, ""):
        yield f"{name}: {str(value).lower() if isinstance(value, bool) else value}"
