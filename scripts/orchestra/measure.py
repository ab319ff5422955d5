"""Measure the CPU time and memory of a decision, for requests of two lengths in the shapes of agents and of people.

.venv/bin/python scripts/orchestra/measure.py
"""

import gc
import resource
import time  # noqa: TID251  measures CPU time
import tracemalloc
from collections.abc import Iterator

from tokenharbor.orchestra.classifier import StageClassifier, load_classifier
from tokenharbor.wire.neutral.chat import Chat, Message, Role, Text, Tool, ToolCall, ToolResult

_ENGLISH = "Look at the parser, then fix the failing test and review what changed in the module before you answer. "
_RUSSIAN = "Посмотри на парсер, исправь падающий тест и проверь изменения в модуле, прежде чем отвечать. "
_CHINESE = "请查看解析器，修复失败的测试，并在回答之前检查模块中的改动，然后总结要点。"
_TOOLS = tuple(Tool(name) for name in ("bash", "edit", "read", "grep", "glob", "write", "web_fetch", "todo_write"))
_ROUNDS = 400


def conversations(length: int) -> Iterator[tuple[str, Chat]]:
    """Return requests of about this many characters each."""
    for name, words in (("English", _ENGLISH), ("Russian", _RUSSIAN), ("Chinese", _CHINESE)):
        yield f"{name}, one request", Chat((_user(words, length),))
        system = Message(Role.SYSTEM, (Text((words * length)[: length // 2]),))
        yield f"{name}, an agent", Chat((system, _user(words, length // 2)), tools=_TOOLS)
        turns = [system]
        for number in range(20):
            call = ToolCall(f"call-{number}", "read", "{}")
            output = ToolResult(f"call-{number}", (Text((words * length)[: length // 80]),))
            turns += [_user(words, length // 80), Message(Role.ASSISTANT, (call,)), Message(Role.USER, (output,))]
        yield f"{name}, twenty turns", Chat(tuple(turns), tools=_TOOLS)


def _user(words: str, length: int) -> Message:
    return Message(Role.USER, (Text((words * length)[:length]),))


def measure(classifier: StageClassifier, chat: Chat) -> tuple[float, float, float]:
    """Return this thread's CPU time in milliseconds: minimum, median and 99th percentile."""
    taken = []
    for _ in range(_ROUNDS):
        begun = time.thread_time_ns()
        classifier.classify_in_mode(chat)
        taken.append((time.thread_time_ns() - begun) / 1e6)
    taken.sort()
    return taken[0], taken[len(taken) // 2], taken[int(len(taken) * 0.99)]


def main() -> None:
    """Run the command line."""
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    classifier = load_classifier()
    loaded, after = time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"loading: {loaded * 1000:.0f} ms of CPU, {(after - before) / 1024:.1f} MiB at most")
    tracemalloc.start()
    kept = load_classifier()
    print(f"kept: {tracemalloc.get_traced_memory()[0] / 2**20:.1f} MiB ({len(kept.model.weights)} features)")
    tracemalloc.stop()
    for length in (2_000, 50_000):
        for name, chat in conversations(length):
            least, median, last = measure(classifier, chat)
            print(f"{length:>6} characters, {name}: least {least:.3f}, median {median:.3f}, p99 {last:.3f} ms")


if __name__ == "__main__":
    main()
