"""Fingerprints: recognises known agents' prompts, and the modes that clients declare, by fingerprints.toml."""

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Literal

import msgspec

from tokenharbor.orchestra.shape import MOST_CHARACTERS, Shape, in_tool_loop, texts_of, user_words
from tokenharbor.orchestra.stage import DeclaredMode, Stage
from tokenharbor.wire.neutral.chat import Chat, Message, Role, ToolCall, ToolResult

_MOST_MESSAGES = 100  # to search for the newest sign of a mode


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A prompt of an agent: its anchors (`words`), and its stage and mode."""

    name: str
    page: str
    stage: Stage
    place: Literal["system", "request", "reminder"]
    words: tuple[str, ...]
    mode: Literal["", "begins", "ends", "none"] = ""
    alone: bool = False

    def is_in(self, text: str) -> bool:
        return _has_all(text, self.words)


class KnownAgent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An agent, recognised by its system prompt, with its stage for requests that say nothing else."""

    name: str
    page: str
    stage: Stage
    words: tuple[str, ...]

    def is_in(self, text: str) -> bool:
        return _has_all(text, self.words)


class ModeSign(msgspec.Struct, frozen=True):
    """The newest sign of a mode: a reminder, or, if `reminder` is None, a call that ended a plan. `fresh`: the user has
    sent no message since.
    """

    reminder: Fingerprint | None
    fresh: bool

    @property
    def begins(self) -> Fingerprint | None:
        return self.reminder if self.reminder is not None and self.reminder.mode == "begins" else None

    @property
    def ends(self) -> bool:
        return self.reminder is None or self.reminder.mode == "ends"


class Fingerprints(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All fingerprints. `reminders` are the prompts that agents add beside the user's words."""

    plan_ends: tuple[str, ...]
    preambles: tuple[str, ...]
    reminder_tags: tuple[str, ...]
    prompts: tuple[Fingerprint, ...]
    reminders: tuple[Fingerprint, ...] = ()
    agents: tuple[KnownAgent, ...] = ()

    def prompt_of(self, shape: Shape) -> Fingerprint | None:
        """Return the known prompt in a request's newest words or system prompt, or None."""
        texts = {"system": shape.system, "request": shape.last}
        matches = [
            each
            for each in self.prompts
            if each.words[0] in texts[each.place]
            and each.is_in(texts[each.place])  # checking the first anchor alone is faster
        ]
        return min(matches, key=lambda each: not each.alone, default=None)

    def agent_of(self, shape: Shape) -> KnownAgent | None:
        return next((each for each in self.agents if each.is_in(shape.system)), None)

    def sign_of(self, chat: Chat) -> ModeSign | None:
        """Return the newest sign of a mode, searched from the end, or None."""
        characters_left, fresh = MOST_CHARACTERS, True
        for message in reversed(chat.messages[-_MOST_MESSAGES:]):
            if message.role is Role.ASSISTANT:
                ends = [part.id for part in _calls(message) if part.name.lower() in self.plan_ends]
                if ends and not _accepted_calls(chat).isdisjoint(ends):
                    return ModeSign(None, fresh)
                continue
            texts = texts_of(message)
            for text in reversed(texts):
                added = text if message.role is Role.SYSTEM else self._added_by_agent(text)
                if added and (reminder := _newest(self.reminders, _in_lower_case(added))):
                    return ModeSign(reminder, fresh)
            characters_left -= sum(map(len, texts))
            if characters_left <= 0:
                return None
            fresh = fresh and not (texts and message.role is Role.USER and user_words(message))
        return None

    def _added_by_agent(self, text: str) -> str:
        """Return the text that an agent added to its user's message: all from its first tag on."""
        starts = [at for tag in self.reminder_tags if (at := text.find(tag)) >= 0] if "<" in text else []
        return text[min(starts) :] if starts else ""


def declared_mode(chat: Chat, sign: ModeSign | None) -> DeclaredMode:
    """Return the mode that the client declares now, by its newest sign only."""
    begins = sign.begins if sign else None
    return DeclaredMode(
        mode=begins.name if begins else "",
        stage=begins.stage if begins else None,
        plan_ended=sign is not None and sign.ends,
        in_tool_loop=in_tool_loop(chat),
    )


def _in_lower_case(text: str) -> str:
    """Lower the case of ASCII letters: anchors are ASCII, and `str.lower` takes six times as long for other text."""
    return text.encode("ascii", "replace").lower().decode("ascii")


def _has_all(text: str, words: Sequence[str]) -> bool:
    for word in words:  # noqa: SIM110  `all` takes three times as long
        if word not in text:
            return False
    return True


def _newest(reminders: Sequence[Fingerprint], text: str) -> Fingerprint | None:
    """Return the last reminder in a text, or None."""
    matches = [each for each in reminders if each.is_in(text)]
    return max(matches, key=lambda each: text.rfind(each.words[0]), default=None)


def _calls(message: Message) -> Iterator[ToolCall]:
    return (part for part in message.parts if isinstance(part, ToolCall))


def _accepted_calls(chat: Chat) -> frozenset[str]:
    """Return the ids of calls whose result is not a failure."""
    results = (part for each in chat.messages[-_MOST_MESSAGES:] for part in each.parts if isinstance(part, ToolResult))
    return frozenset(result.call_id for result in results if not result.failed)


def load_fingerprints() -> Fingerprints:
    """Read the prompts and agents of fingerprints.toml."""
    tables = tomllib.loads(files(__package__).joinpath("fingerprints.toml").read_text("utf-8"))
    fingerprints = msgspec.convert(tables, Fingerprints, strict=False)
    reminders = tuple(each for each in fingerprints.prompts if each.place == "reminder")
    prompts = tuple(each for each in fingerprints.prompts if each.place != "reminder")
    return msgspec.structs.replace(fingerprints, prompts=prompts, reminders=reminders)
