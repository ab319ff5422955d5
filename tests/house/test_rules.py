"""Each house rule finds what breaks it, and nothing in what keeps it."""

from collections.abc import Callable, Iterator

import pytest
from tests.house import code_rules, text_rules
from tests.house.checkout import Source

Rule = Callable[[Source], Iterator[str]]
LEDGER = "src/tokenharbor/ledger/x.py"
GATEWAY = "src/tokenharbor/gateway/x.py"
TEST = "tests/ledger/test_x.py"

BROKEN: list[tuple[Rule, str, str]] = [
    (text_rules.opens_with_a_sentence, LEDGER, "import os\n"),
    (text_rules.opens_with_a_sentence, LEDGER, '# A comment.\n"""A sentence."""\n'),
    (text_rules.opens_with_a_sentence, LEDGER, '"""The books"""\n'),
    (text_rules.opens_with_a_sentence, LEDGER, ""),
    (text_rules.opens_with_a_sentence, "src/tokenharbor/ledger/x.sql", "select 1;\n"),
    (text_rules.opens_with_a_sentence, "src/tokenharbor/ledger/x.sql", "-- name: place\nselect 1;\n"),
    (text_rules.opens_with_a_sentence, "scripts/x.sh", "#!/bin/sh\nset -eu\n"),
    (text_rules.fits_on_a_desk, LEDGER, "x\n" * 401),
    (text_rules.fits_on_a_desk, "src/tokenharbor/ledger/x.sql", "x\n" * 401),
    (text_rules.is_finished, "docs/x.md", "TO" + "DO: say it\n"),
    (text_rules.is_finished, LEDGER, "x = 1  # FIX" + "ME\n"),
    (text_rules.belongs_to_no_machine, "docs/x.md", "see /wo" + "rk/main\n"),
    (text_rules.belongs_to_no_machine, LEDGER, 'x = "/ro' + 'ot/x"\n'),
    (text_rules.belongs_to_no_machine, "requirements.lock", "--index-url ht" + "tps://x\n"),
    (text_rules.belongs_to_no_machine, "package-lock.json", '"resolved": "https://registry.npm' + 'js.org/a"\n'),
    (text_rules.explains_its_exceptions, LEDGER, "x = 1  # no" + "qa: E501\n"),
    (text_rules.explains_its_exceptions, LEDGER, "x = 1  # type" + ": ignore[index]\n"),
    (text_rules.explains_its_exceptions, "pyproject.toml", '[tool.ruff.lint]\nignore = [\n    "D203",\n]\n'),
    (text_rules.explains_its_exceptions, "pyproject.toml", '[tool.ruff.lint.per-file-ignores]\n"x/**" = ["T201"]\n'),
    (code_rules.names_nobody, GATEWAY, 'if provider == "openai":\n    pass\n'),
    (code_rules.names_nobody, GATEWAY, 'x = header(b"anthropic-version")\n'),
    (code_rules.names_nobody, GATEWAY, 'x = {"deepseek/chat": 1}\n'),
    (code_rules.names_nobody, GATEWAY, 'x = edition == "token-hub"\n'),
    (code_rules.counts_money_in_whole_numbers, LEDGER, "def f(amount: float) -> None: ...\n"),
    (code_rules.counts_money_in_whole_numbers, LEDGER, "fee = amount * 0.03\n"),
    (code_rules.counts_money_in_whole_numbers, LEDGER, "half = amount / 2\n"),
    (code_rules.counts_money_in_whole_numbers, "src/tokenharbor/catalog/pricing.py", "x = round(y)\n"),
    (code_rules.swallows_nothing, TEST, "try:\n    f()\nexcept:\n    pass\n"),
    (code_rules.swallows_nothing, GATEWAY, "try:\n    f()\nexcept Exception as error:\n    x = 1\n"),
    (code_rules.swallows_nothing, GATEWAY, "try:\n    f()\nexcept (ValueError, Exception):\n    x = 1\n"),
    (code_rules.swallows_nothing, GATEWAY, "with contextlib.suppress(Exception):\n    f()\n"),
    (code_rules.keeps_no_state, GATEWAY, "cache = {}\n"),
    (code_rules.keeps_no_state, GATEWAY, "_SEEN = set()\ndef f(x):\n    _SEEN.add(x)\n"),
    (code_rules.keeps_no_state, GATEWAY, "_SEEN = {}\ndef f(x):\n    _SEEN[x] = 1\n"),
    (code_rules.keeps_no_state, GATEWAY, "SHARED = []\n"),
    (code_rules.keeps_no_state, GATEWAY, "X = 1\ndef f():\n    global X\n    X = 2\n"),
    (code_rules.keeps_no_state, GATEWAY, "@functools.lru_cache(maxsize=9)\ndef f(x): ...\n"),
    (code_rules.keeps_functions_short, GATEWAY, "def f():\n" + "    x = 1\n" * 60),
    (code_rules.runs_every_test, TEST, "@pytest.mark.skip\ndef test_x(): ...\n"),
    (code_rules.runs_every_test, TEST, 'def test_x():\n    pytest.xfail("some day")\n'),
]
KEPT: list[tuple[Rule, str, str]] = [
    (text_rules.opens_with_a_sentence, LEDGER, '"""The books.\n\nMore of them.\n"""\n'),
    (text_rules.opens_with_a_sentence, LEDGER, '"""The books, over\ntwo lines."""\n'),
    (text_rules.opens_with_a_sentence, "scripts/x.sh", "#!/bin/sh\n# Makes it.\n"),
    (text_rules.fits_on_a_desk, LEDGER, "x\n" * 400),
    (text_rules.fits_on_a_desk, "src/tokenharbor/db/migrations/0001_a.sql", "x\n" * 401),
    (text_rules.belongs_to_no_machine, "docs/x.md", "GET /v1/models, ~/.local/share, /var/lib/tokenharbor\n"),
    (text_rules.explains_its_exceptions, LEDGER, "x = 1  # no" + "qa: E501, S101  a URL cannot be cut\n"),
    (text_rules.explains_its_exceptions, LEDGER, "x = 1  # type" + ": ignore[index]  # it is a dict\n"),
    (text_rules.explains_its_exceptions, "pyproject.toml", '[tool.ruff.lint]\n    "D203",  # we use D211\n'),
    (
        code_rules.names_nobody,
        GATEWAY,
        'x = DIALECTS["anthropic_messages"]\nraise X("Anthropic\'s clients read it")\n',
    ),
    (code_rules.names_nobody, "src/tokenharbor/wire/dialects/anthropic_messages/x.py", 'x = b"anthropic-version"\n'),
    (code_rules.counts_money_in_whole_numbers, LEDGER, "half = amount // 2\n_RETRY_SECONDS = (0.5, 1.0)\n"),
    (code_rules.counts_money_in_whole_numbers, GATEWAY, "seconds = ms / 1000\n"),
    (code_rules.swallows_nothing, GATEWAY, "try:\n    f()\nexcept Exception as error:\n    tell(error)\n"),
    (code_rules.swallows_nothing, GATEWAY, "try:\n    f()\nexcept BaseException:\n    close()\n    raise\n"),
    (code_rules.swallows_nothing, GATEWAY, "try:\n    f()\nexcept KeyError:\n    x = 1\n"),
    (code_rules.keeps_no_state, GATEWAY, 'A: Mapping[str, int] = {}\n_B = {}\n_f = D(X).decode\nT = TypeVar("T")\n'),
    (code_rules.keeps_functions_short, GATEWAY, "def f():\n" + "    x = 1\n" * 59),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_a_rule_finds_what_breaks_it(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_a_rule_lets_pass_what_keeps_it(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(Source(path, text)))


SCHEMA = "src/tokenharbor/wire/dialects/{}/answer_schema.py"


@pytest.mark.parametrize("paths", [(LEDGER, GATEWAY), (SCHEMA.format("gemini"), SCHEMA.format("openai"))])
def test_a_class_name_that_two_files_have_is_found(paths: tuple[str, str]) -> None:
    sources = [Source(path, "class Answer: ...\n") for path in paths]
    assert list(code_rules.repeats_no_class_name(sources))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Source(LEDGER, "class Entry: ...\n"), Source(GATEWAY, "class Answer: ...\n")),
        (Source(LEDGER, "class _Row: ...\n"), Source(GATEWAY, "class _Row: ...\n")),
        (Source(LEDGER, "class Row: ...\n"), Source(TEST, "class Row: ...\n")),
    ],
)
def test_names_of_tests_are_let_pass(one: Source, other: Source) -> None:
    assert not list(code_rules.repeats_no_class_name([one, other]))
