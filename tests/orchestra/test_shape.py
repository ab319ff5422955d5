"""The parts of a conversation that are classified."""

from hypothesis import given
from hypothesis import strategies as st
from tests.orchestra.chats import called, chat, said, told

from tokenharbor.orchestra.classifier import load_classifier
from tokenharbor.orchestra.shape import read_shape
from tokenharbor.wire.neutral.chat import Message, Role, Text, ToolResult

CLASSIFIER = load_classifier()
WORDS = st.text(max_size=400)


def test_reminders_and_what_agents_send_in_the_users_name_are_not_the_request() -> None:
    shape = read_shape(
        chat(
            told("You are an agent."),
            said("<environment_context>\n<cwd>/x</cwd>\n</environment_context>"),
            said("<system-reminder>\nReview it.\n</system-reminder>\nFix it."),
            Message(Role.ASSISTANT, (Text("done"),)),
            said("Summarize the task tool output above and continue with your task."),
        )
    )
    assert (shape.last, shape.several_turns) == ("fix it.", False)


def test_a_long_text_is_looked_at_from_both_ends() -> None:
    shape = read_shape(chat(said("Begin " + "x " * 200_000 + " end")))
    assert shape.last.startswith("begin")
    assert shape.last.endswith("end")
    assert len(shape.last) < 6_000


@given(st.lists(WORDS, max_size=6), WORDS, WORDS)
def test_a_tools_output_changes_nothing(said_before: list[str], one: str, other: str) -> None:
    def looped(output: str) -> Message:
        return Message(Role.USER, (ToolResult("call-1", (Text(output),)),))

    before = [said(text) for text in said_before]
    decisions = {
        CLASSIFIER.classify(chat(*before, said("Mend the parser."), called("bash"), looped(output)))
        for output in (one, other)
    }
    assert len(decisions) == 1


CALLS = st.lists(st.sampled_from(["read", "edit", "bash", "fetch"]), max_size=5)


@given(st.lists(WORDS, min_size=1, max_size=4), CALLS)
def test_a_tool_loop_is_of_one_stage_from_first_to_last(said_before: list[str], calls: list[str]) -> None:
    messages = [told("You are a coding agent."), *map(said, said_before)]
    decisions = [CLASSIFIER.classify(chat(*messages))]
    for number, name in enumerate(calls):
        messages += [called(name, f"call-{number}"), said(results=(f"call-{number}",))]
        decisions.append(CLASSIFIER.classify(chat(*messages)))
    assert len(set(decisions)) == 1


@given(WORDS, WORDS, st.lists(st.text(max_size=20), max_size=8))
def test_whatever_is_said_there_is_one_stage_with_a_probability(system: str, user: str, tools: list[str]) -> None:
    asked = chat(told(system), said(user), tools=tuple(tools))
    decision = CLASSIFIER.classify(asked)
    assert 0 <= decision.confidence <= 1
    assert decision == CLASSIFIER.classify(asked)
    assert CLASSIFIER.declared_mode(asked) == CLASSIFIER.declared_mode(asked)
