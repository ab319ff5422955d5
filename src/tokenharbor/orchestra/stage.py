"""Stages of work, what is decided about a request, and what its client declares about its own mode."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What a request is for. Titles, commit messages and compaction are SUMMARISE; debugging and tests are CODE;
    audits and verification are REVIEW; everything else, and what nobody is sure about, is GENERAL.
    """

    PLAN = "plan"
    CODE = "code"
    REVIEW = "review"
    SUMMARISE = "summarise"
    GENERAL = "general"


class DecidedBy(StrEnum):
    """Who decided, in the order in which they are asked."""

    OVERRIDE = "override"  # the caller named the stage
    FINGERPRINT = "fingerprint"  # a known agent's prompt for one stage
    CLASSIFIER = "classifier"
    GATE = "gate"  # the classifier was not sure enough: general


@dataclass(frozen=True, slots=True)
class StageDecision:
    """The stage of one request. `confidence` is 1 for what was told, else the calibrated probability that the stage is
    right. `because` names the fingerprint, or the features that counted most. `guess` is the likeliest stage where the
    gate said general. `alone`: titling, compaction and probes, which are no turn of their session: they are routed by
    themselves and pin nothing.
    """

    stage: Stage
    confidence: float
    by: DecidedBy
    because: tuple[str, ...] = ()
    alone: bool = False
    guess: Stage | None = None


@dataclass(frozen=True, slots=True)
class DeclaredMode:
    """What the client itself declares now; a session's stage may change inside a tool loop only when this does.

    `mode` is the name of the newest mode reminder that is in force, empty where none is; `stage` is that mode's.
    `plan_ended`: the newest sign is one that ends a plan, a call that was not refused or a reminder. `in_tool_loop`:
    the last turn is the result of a tool.
    """

    mode: str
    stage: Stage | None
    plan_ended: bool
    in_tool_loop: bool
