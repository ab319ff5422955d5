"""`orchestra`: stage routing, explained for a request."""

from collections.abc import Iterator
from pathlib import Path

import click

from tokenharbor.app.commands.common import CommandResult, Group, show_result
from tokenharbor.kernel.documents import Document, plain_document
from tokenharbor.kernel.errors import InvalidRequest
from tokenharbor.orchestra.classifier import load_classifier
from tokenharbor.orchestra.stage import DeclaredMode, StageDecision
from tokenharbor.wire import DIALECTS
from tokenharbor.wire.neutral.chat import Chat
from tokenharbor.wire.neutral.dialect import Dialect, ModelInPath

_MOST_BYTES = 64 * 2**20
_IN_PATH = ModelInPath("none", stream=False)


class StageExplanation(Document, frozen=True):
    """A request's stage, what decided it and why, and the mode that its client declares. `guess` is the likeliest
    stage if the classifier was too unsure to take it.
    """

    dialect: str
    stage: str
    confidence: float
    by: str
    because: tuple[str, ...]
    alone: bool
    guess: str | None
    mode: str | None
    plan_ended: bool
    in_tool_loop: bool

    @classmethod
    def of(cls, dialect: str, decision: StageDecision, mode: DeclaredMode) -> "StageExplanation":
        return cls(
            dialect=dialect,
            stage=decision.stage,
            confidence=decision.confidence,
            by=decision.by,
            because=decision.because,
            alone=decision.alone,
            guess=decision.guess,
            mode=mode.mode or None,
            plan_ended=mode.plan_ended,
            in_tool_loop=mode.in_tool_loop,
        )


@click.group(cls=Group)
def orchestra() -> None:
    """Explain stage routing."""


@orchestra.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dialect", type=click.Choice(sorted(DIALECTS)), help="Dialect of the body; detected by default.")
def explain(file: Path, dialect: str | None) -> None:
    """Show the stage of a chat request, and why. FILE has the request's JSON body."""
    with file.open("rb") as opened:
        body = opened.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        raise click.ClickException(f"{file}: more than {_MOST_BYTES >> 20} MiB")
    name, chat = _read(file, body, [DIALECTS[dialect]] if dialect else list(DIALECTS.values()))
    found = StageExplanation.of(name, *load_classifier().classify_in_mode(chat))
    show_result(CommandResult(plain_document(found), _lines(found)))


def _read(file: Path, body: bytes, dialects: list[Dialect]) -> tuple[str, Chat]:
    """Return the name of the dialect that knows most of the body's fields, and the body read in it."""
    read: list[tuple[int, str, Chat]] = []
    refusals: dict[str, str] = {}
    for dialect in dialects:
        for place in (None, _IN_PATH):
            try:
                chat = dialect.read_chat(dialect.read_request(body, place))
            except InvalidRequest as refusal:
                refusals[dialect.name] = str(refusal).rstrip(".")
            else:
                read.append((len(chat.unknown), dialect.name, chat))
    if not read:
        said = set(refusals.values())
        why = said.pop() if len(said) == 1 else "; ".join(f"{name}: {why}" for name, why in refusals.items())
        raise click.ClickException(f"{file}: no chat request of any dialect ({why})")
    _, name, chat = min(read, key=lambda each: each[0])
    return name, chat


def _lines(found: StageExplanation) -> Iterator[str]:
    yield f"stage       {found.stage}"
    yield f"confidence  {found.confidence:.3f}"
    yield f"decided by  {found.by}"
    yield f"because     {'; '.join(found.because) or 'no evidence for a stage'}"
    if found.guess:
        yield f"guess       {found.guess}"
    yield f"alone       {'yes' if found.alone else 'no'}"
    if found.mode:
        yield f"mode        {found.mode}"
    if found.plan_ended:
        yield "mode        the plan has ended"
    yield f"tool loop   {'yes' if found.in_tool_loop else 'no'}"
    yield f"dialect     {found.dialect}"
