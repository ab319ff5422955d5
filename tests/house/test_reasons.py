"""What the API refuses has a reason, and the dashboard has words for each reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.house.checkout import ROOT

from tokenharbor.alerts.types import NoticeKind
from tokenharbor.funding.types import AutoTopUpStop
from tokenharbor.funding.withdrawable import WITHHELD_WORDS, WithheldReason
from tokenharbor.kernel import errors
from tokenharbor.kernel.errors import HTTP_ERRORS, HarborError, Refusal
from tokenharbor.kernel.reasons import ErrorReason
from tokenharbor.rewards.reasons import SENTENCES, RewardReason
from tokenharbor.routing.drops import DropCode

DASHBOARD = ROOT / "dashboard/src"
SOURCES = ROOT / "src/tokenharbor"
ROOMS = ("accounts", "alerts", "console", "funding", "identity", "mail", "rewards", "signin")

FOR_OPERATORS = {
    "accounts/changes.py": "plans are changed by commands",
    "accounts/credits.py": "credit is granted by commands",
    "accounts/providers.py": "credentials are set by commands",
    "console/routes/models.py": "an answer to programs",
    "console/routes/router_keys.py": "paths for programs: no page asks them",
    "funding/manual.py": "payments are entered by commands",
    "funding/rates.py": "rates are set by commands",
    "funding/references.py": "references are entered by commands",
    "funding/statement_reading.py": "statements are read by commands",
    "identity/ring.py": "of the data plane",
    "identity/store.py": "users are created by commands",
}
"""Files whose refusals no page shows, and why."""

OPERATOR = (
    *(
        "_lock_waiting",
        "_check_settled_by_hand",
        "settle_refund",
        "settle_withdrawal",
        "approve_withdrawal",
        "verify_payee",
    ),
    *("refuse", "create_code"),
)
SILENT = {
    **dict.fromkeys(OPERATOR, "of an operator"),
    **dict.fromkeys(("agree_by_browser", "_loopback", "_named"), "of tools that connect"),
    **dict.fromkeys(("_check", "ask_withdrawal"), "the console always says who asks"),
    "change_profile": "the page offers only the languages that there are",
    "refuse_cross_site": "our pages send JSON",
}
"""Functions whose refusals no page shows, and why."""


NOT_OF_PAGES = (errors.Misconfigured, errors.MethodNotAllowed)


def _words(path: str, after: str) -> set[str]:
    """The names in a table of the dashboard."""
    text = (DASHBOARD / path).read_text().partition(after)[2]
    assert text, f"{path} has no {after}"
    return set(re.findall(r"^\s+(\w+): ", text.partition("\n  }")[0].partition("\n}")[0], re.MULTILINE))


@pytest.mark.parametrize(
    ("path", "after", "codes"),
    [
        ("api/refusals.ts", "const REASONS", set(ErrorReason)),
        ("pages/billing/reasons.ts", 'Documents["WithheldReason"], string> =', set(WithheldReason)),
        ("pages/billing/reasons.ts", 'Documents["AutoTopUpStop"], string> =', set(AutoTopUpStop)),
        ("pages/rewards/refused.ts", 'Documents["RewardReason"], string> =', set(RewardReason)),
        ("pages/usage/receiptWords.ts", '["ReceiptCandidate"]["code"], string> =', set(DropCode)),
        (
            "parts/callRefusals.ts",
            "function words()",
            {shown.code for kind, shown in HTTP_ERRORS.items() if issubclass(kind, Refusal)} | {"internal_error"},
        ),
    ],
)
def test_the_dashboard_has_words_for_every_code(path: str, after: str, codes: set[str]) -> None:
    assert _words(path, after) == {str(code) for code in codes}


def test_the_dashboard_has_words_for_every_notice() -> None:
    text = (DASHBOARD / "parts/notices.ts").read_text()
    assert set(re.findall(r'case "(\w+)":', text)) == {str(kind) for kind in NoticeKind}


def test_every_code_has_its_sentence() -> None:
    assert set(SENTENCES) == set(RewardReason)
    assert set(WITHHELD_WORDS) == set(WithheldReason)


def test_what_pages_may_show_says_its_reason() -> None:
    silent = [f"{path.relative_to(SOURCES)}:{line}" for path in _files() for line in _silent(path)]
    assert silent == []


def test_every_reason_is_given_somewhere() -> None:
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py") if path.name != "reasons.py")
    assert [reason for reason in ErrorReason if f"ErrorReason.{reason.name}" not in text] == []


def _files() -> Iterator[Path]:
    for room in ROOMS:
        paths = (SOURCES / room).rglob("*.py")
        yield from (each for each in paths if str(each.relative_to(SOURCES)) not in FOR_OPERATORS)


def _silent(path: Path) -> Iterator[int]:
    """Lines that raise an error of ours without a reason, where its class has none."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for function in (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, functions)):
        if function.name not in SILENT:
            raised = (each for each in ast.walk(function) if isinstance(each, ast.Raise))
            yield from (each.lineno for each in raised if _says_nothing(each))


def _says_nothing(raised: ast.Raise) -> bool:
    if not isinstance(raised.exc, ast.Call) or not isinstance(raised.exc.func, ast.Name):
        return False
    kind = getattr(errors, raised.exc.func.id, None)
    return isinstance(kind, type) and issubclass(kind, HarborError) and not (kind.reason or kind in NOT_OF_PAGES)
