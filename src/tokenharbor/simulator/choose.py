"""The choice of the script's rule for a request."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

from tokenharbor.simulator.draw import draw
from tokenharbor.simulator.script import RuleMatch, Script, ScriptRule


class RequestFacts(msgspec.Struct, frozen=True):
    """A request as rules see it."""

    wire: str
    path: str
    model: str
    stream: bool
    credential: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class RuleChooser:
    """A script's rules with their counts of matches."""

    def __init__(self, script: Script) -> None:
        self._seed = script.seed
        self._rules = script.rules
        self._counts = [0] * len(script.rules)

    def choose(self, facts: RequestFacts) -> tuple[int, ScriptRule] | None:
        """Return the first rule that matches, with its place in the script."""
        for index, rule in enumerate(self._rules):
            if _fits(rule.match, facts):
                self._counts[index] += 1
                if self._is_due(rule.match, index):
                    return index, rule
        return None

    def _is_due(self, match: RuleMatch, index: int) -> bool:
        count = self._counts[index]
        if match.nth and count not in match.nth:
            return False
        if match.first is not None and count > match.first:
            return False
        if match.every is not None and count % match.every:
            return False
        return match.probability is None or draw(self._seed, "rule", index, count) < match.probability


def _fits(match: RuleMatch, facts: RequestFacts) -> bool:
    if match.wire is not None and match.wire != facts.wire:
        return False
    if match.stream is not None and match.stream is not facts.stream:
        return False
    patterns = ((match.model, facts.model), (match.path, facts.path), (match.credential, facts.credential))
    if any(pattern is not None and not fnmatchcase(value, pattern) for pattern, value in patterns):
        return False
    if match.contains is not None and match.contains.encode() not in facts.body:
        return False
    return all(fnmatchcase(facts.headers.get(name.lower(), ""), pattern) for name, pattern in match.header.items())
