"""The decision about a request for a model pool: its stage, its executor and its reasoning effort."""

import msgspec

from tokenharbor.billing.detail import write_stage
from tokenharbor.catalog.types import Model
from tokenharbor.orchestra.pins import Choice, Turn
from tokenharbor.orchestra.stage import Stage


class PoolDecision(msgspec.Struct, frozen=True, gc=False):
    """The decision about a request for a model pool. `conversation` distinguishes the conversations of a session.
    `home` is the executor: model and endpoint. `effort` is the reasoning effort, or None if the caller set it.
    `user_turns` is the number of the user's turns, or None if the conversation was not read.
    """

    turn: Turn
    choice: Choice
    conversation: str
    home: tuple[str, str]
    effort: str | None
    user_turns: int | None
    interrupted: Stage | None = None  # the session's stage that this summary interrupts

    @property
    def confidence(self) -> str:
        """The confidence in the stage, from 0 to 1, with two decimals."""
        return f"{self.turn.decision.confidence:.2f}"

    @property
    def lines(self) -> bytes:
        """The header lines of the answer that state stage and confidence."""
        lines = f"x-tokenharbor-stage: {self.choice.stage}\r\nx-tokenharbor-stage-confidence: {self.confidence}\r\n"
        return lines.encode("ascii")

    @property
    def facts(self) -> tuple[object, ...]:
        """The parts of the decision that can change the answer."""
        return self.choice.stage, self.home, self.effort

    def detail_part(self) -> bytes:
        """Return the decision as the receipt's detail has it."""
        return write_stage(self.choice.stage, self.confidence, self.choice.why, self.user_turns)

    def effort_at(self, model: Model) -> str | None:
        """Return the reasoning effort to request of a model, or None if the model does not reason."""
        return self.effort if "reasoning" in model.capabilities else None
