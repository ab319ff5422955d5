"""What the programs with structured answers ask for, and what the model is scripted to give."""

import os

from pydantic import BaseModel

REPORT_PROMPT = os.environ["HARBOR_REPORT_PROMPT"]


class Report(BaseModel):
    """The berths at the quay."""

    quay: str
    free: int


EXPECTED = Report.model_validate_json(os.environ["HARBOR_REPORT"])


def check(report: BaseModel, how: str) -> None:
    """Raises AssertionError, with the way in which it was asked for."""
    assert report.model_dump() == EXPECTED.model_dump(), f"{how}: {report!r}"
