"""The decision about a request's stage, and its source."""

from tests.orchestra.chats import chat, said, told

from tokenharbor.orchestra.classifier import StageClassifier, load_classifier
from tokenharbor.orchestra.stage import DecidedBy, Stage


def test_what_the_caller_names_is_the_stage(orchestra: StageClassifier) -> None:
    for stage in Stage:
        decision = orchestra.classify(chat(said("Summarise this article.")), stage)
        assert (decision.stage, decision.by, decision.confidence) == (stage, DecidedBy.OVERRIDE, 1.0)


def test_a_request_is_decided_the_same_each_time(orchestra: StageClassifier) -> None:
    asked = chat(said("Review this pull request for security issues.\n\n@@ -1 +1 @@\n-a\n+b"))
    assert orchestra.classify(asked) == orchestra.classify(asked) == load_classifier().classify(asked)


def test_a_guess_below_the_gate_is_general_and_named(orchestra: StageClassifier) -> None:
    asked = chat(
        told("You are a senior code reviewer. Report findings with their severity and a verdict."),
        said("Review this pull request for vulnerabilities.\n\ndiff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\n"),
    )
    assert orchestra.classify(asked).stage is Stage.REVIEW
    decision = orchestra.classify(asked, gate=1.1)
    assert (decision.stage, decision.by, decision.guess) == (Stage.GENERAL, DecidedBy.GATE, Stage.REVIEW)


def test_a_subagent_of_a_known_agent_does_what_its_own_prompt_says(orchestra: StageClassifier) -> None:
    before = ("x-anthropic-billing-header: v=1; part=a;", "You are a Claude agent, built on an SDK.")
    own = "You are a senior code reviewer. Inspect changes and report findings by severity. Never edit files."
    asked = chat(told(*before, own), said("The parser was changed."), tools=("Bash", "Read"))
    assert orchestra.classify(asked).stage is Stage.REVIEW


def test_a_known_agent_codes_where_its_user_says_nothing_else(orchestra: StageClassifier) -> None:
    agent = told("You are opencode, an interactive tool.")
    for words in ("go on", "yes", "ok, next"):
        decision = orchestra.classify(chat(agent, said(words), tools=("bash", "edit")))
        assert decision.stage is Stage.CODE, words
    assert orchestra.classify(chat(agent, said("Review my diff and list the findings."))).stage is Stage.REVIEW
