"""Stages of work, the decision about a request's stage, and the mode that its client declares."""

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The purpose of a request. Titles, commit messages and compaction are SUMMARISE; debugging and tests are CODE;
    audits and verification are REVIEW; everything else, and every unclear request, is GENERAL.
    """

    PLAN = "plan"
    CODE = "code"
    REVIEW = "review"
    SUMMARISE = "summarise"
    GENERAL = "general"


class DecidedBy(StrEnum):
    """The source of a decision, in order of precedence."""

    OVERRIDE = "override"  # the caller named the stage
    FINGERPRINT = "fingerprint"  # a known agent's prompt for one stage
    CLASSIFIER = "classifier"
    GATE = "gate"  # the classifier was not sure enough: general


@dataclass(frozen=True, slots=True)
class StageDecision:
    """The stage of one request. `confidence` is 1 for an override or a fingerprint, else the calibrated probability
    that the stage is right. `because` names the fingerprint, or the features that counted most. `guess` is the
    likeliest stage if it was rejected by the gate. `alone`: titling, compaction and probes, which are not turns of
    their session: they are routed separately and pin nothing.
    """

    stage: Stage
    confidence: float
    by: DecidedBy
    because: tuple[str, ...] = ()
    alone: bool = False
    guess: Stage | None = None


@dataclass(frozen=True, slots=True)
class DeclaredMode:
    """The mode that the client declares now. Inside a tool loop, a session's stage may change only when the mode does.

    `mode` is the name of the mode reminder in force, or "" for none; `stage` is that mode's stage. `plan_ended`: the
    newest sign ends a plan (a call that was not refused, or a reminder). `in_tool_loop`: the last message has a tool's
    result.
    """

    mode: str
    stage: Stage | None
    plan_ended: bool
    in_tool_loop: bool
