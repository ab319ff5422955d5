"""The stage stays when only the wording, the spelling or the order of tools changes."""

import random
import tomllib
from pathlib import Path

from tests.orchestra.chats import chat, said, told

from tokenharbor.orchestra.classifier import StageClassifier

HERE = Path(__file__).parent
PAIRS = tomllib.loads((HERE / "paraphrases.toml").read_text("utf-8"))["pairs"]
REQUESTS = [
    words
    for stages in tomllib.loads((HERE / "languages.toml").read_text("utf-8")).values()
    for requests in stages.values()
    for words in requests
] + [words for pair in PAIRS for words in pair]
TOOLS = ("bash", "edit", "read", "grep", "glob", "web_fetch", "todo_write", "task")
ENOUGH = 0.95


def mistyped(words: str, draw: random.Random) -> str:
    """One letter in forty swapped with the next one, left out or doubled."""
    letters = list(words)
    for _ in range(max(1, len(letters) // 40)):
        at = draw.randrange(len(letters) - 1)
        match draw.randrange(3):
            case 0:
                letters[at], letters[at + 1] = letters[at + 1], letters[at]
            case 1:
                letters[at] = ""
            case _:
                letters[at] *= 2
    return "".join(letters)


def test_typing_errors_change_hardly_a_choice(orchestra: StageClassifier) -> None:
    draw = random.Random(12)
    same = [
        orchestra.classify(chat(said(words))).stage == orchestra.classify(chat(said(mistyped(words, draw)))).stage
        for words in REQUESTS * 3
    ]
    assert sum(same) >= ENOUGH * len(same), sum(same) / len(same)


def test_other_words_for_the_same_change_hardly_a_choice(orchestra: StageClassifier) -> None:
    wrong = [pair for pair in PAIRS if len({orchestra.classify(chat(said(words))).stage for words in pair}) > 1]
    assert len(wrong) <= (1 - ENOUGH) * len(PAIRS), wrong


def test_case_and_white_space_change_nothing(orchestra: StageClassifier) -> None:
    for words in REQUESTS:
        stage = orchestra.classify(chat(said(words))).stage
        assert orchestra.classify(chat(said(f"  {words}\n\n"))).stage == stage
        assert orchestra.classify(chat(said(words.upper().replace("SS", "ss")))).stage is not None


def test_the_order_of_tools_changes_nothing(orchestra: StageClassifier) -> None:
    draw = random.Random(7)
    for words in REQUESTS:
        asked = (told("You are a coding agent."), said(words))
        shuffled = tuple(draw.sample(TOOLS, len(TOOLS)))
        first = orchestra.classify(chat(*asked, tools=TOOLS))
        assert orchestra.classify(chat(*asked, tools=shuffled)) == first
