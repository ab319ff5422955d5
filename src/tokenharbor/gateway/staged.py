"""What was decided about a request whose model stands for many: its stage, and who is asked with what."""

import msgspec

from tokenharbor.billing.detail import write_stage
from tokenharbor.catalog.types import Model
from tokenharbor.orchestra.pins import Choice, Turn
from tokenharbor.orchestra.stage import Stage


class Staged(msgspec.Struct, frozen=True, gc=False):
    """`conversation` tells those of one session apart. `home` has the model and the endpoint that are its executor.
    `effort` is how much to reason, where the caller left that open. `number` counts its user's turns; None where the
    conversation was not read.
    """

    turn: Turn
    choice: Choice
    conversation: str
    home: tuple[str, str]
    effort: str | None
    number: int | None
    before: Stage | None = None  # of its session, where a summary interrupts it

    @property
    def confidence(self) -> str:
        """How sure whoever decided was of the stage, from 0 to 1."""
        return f"{self.turn.decision.confidence:.2f}"

    @property
    def lines(self) -> bytes:
        """The answer's headers that tell of it."""
        said = f"x-tokenharbor-stage: {self.choice.stage}\r\nx-tokenharbor-stage-confidence: {self.confidence}\r\n"
        return said.encode("ascii")

    @property
    def facts(self) -> tuple[object, ...]:
        """What another answer could come of."""
        return self.choice.stage, self.home, self.effort

    def written(self) -> bytes:
        """Likewise, of its receipt."""
        return write_stage(self.choice.stage, self.confidence, self.choice.why, self.number)

    def effort_at(self, model: Model) -> str | None:
        """What to tell a model of it."""
        return self.effort if "reasoning" in model.capabilities else None
