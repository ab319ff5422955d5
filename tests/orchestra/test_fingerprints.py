"""Known agents' prompts: each is recognised by all of its anchors in their place, and by nothing less."""

from tests.orchestra.chats import chat, said, told

from tokenharbor.orchestra.classifier import StageClassifier
from tokenharbor.orchestra.fingerprints import Fingerprint, declared_mode
from tokenharbor.orchestra.stage import DecidedBy
from tokenharbor.wire.neutral.chat import Chat


def sent(prompt: Fingerprint, words: tuple[str, ...], tag: str) -> Chat:
    """A request with an agent's words in that prompt's place."""
    text = " and then, ".join(words)
    match prompt.place:
        case "system":
            return chat(told(f"Hello. {text}."), said("Go."))
        case "request":
            return chat(told("You help."), said(f"Now: {text}."))
        case _:
            return chat(told("You help."), said("Go.", f"{tag}>\n{text}\n"))


def test_each_prompt_is_known_by_its_anchors_in_its_place(orchestra: StageClassifier) -> None:
    known = orchestra.fingerprints
    for prompt in (*known.prompts, *known.reminders):
        asked = sent(prompt, prompt.words, known.reminder_tags[0])
        decision, mode = orchestra.classify_in_mode(asked)
        if prompt.mode == "none":
            assert (mode.mode, mode.plan_ended) == ("", False), prompt.name
            continue
        assert (decision.by, decision.stage) == (DecidedBy.FINGERPRINT, prompt.stage), prompt.name
        assert decision.alone is prompt.alone, prompt.name
        assert mode.plan_ended is (prompt.mode == "ends"), prompt.name
        assert bool(mode.mode) is (prompt.mode == "begins"), prompt.name


def test_some_anchors_of_a_prompt_are_not_the_prompt(orchestra: StageClassifier) -> None:
    known = orchestra.fingerprints
    for prompt in (*known.prompts, *known.reminders):
        for left_out in prompt.words if len(prompt.words) > 1 else ():
            rest = tuple(word for word in prompt.words if word != left_out)
            decision = orchestra.classify(sent(prompt, rest, known.reminder_tags[0]))
            assert prompt.name not in decision.because, prompt.name


def test_anchors_in_a_users_question_are_no_reminder(orchestra: StageClassifier) -> None:
    for prompt in orchestra.fingerprints.reminders:
        words = " ".join(word.strip("<") for word in prompt.words)
        sign = orchestra.fingerprints.sign_of(chat(told("You help."), said(f"What does this mean: {words}?")))
        assert declared_mode(chat(), sign).mode == "", prompt.name


def test_each_says_where_it_can_be_read_and_is_short(orchestra: StageClassifier) -> None:
    known = orchestra.fingerprints
    stated = [(each.name, each.page, each.words) for each in (*known.prompts, *known.reminders)]
    for name, page, words in [*stated, *((each.name, each.page, each.words) for each in known.agents)]:
        assert page.startswith("https://"), name
        assert sum(map(len, words)) <= 100, f"{name}: anchors, not a prompt"
        assert all(word == word.lower() and word.isascii() for word in words), name
    assert {prompt.stage for prompt in known.prompts} >= {"plan", "review", "summarise", "general"}
