"""Clean the development data of stages: labels taken from file names, boilerplate of issues, repeated templates.

    python scripts/orchestra/clean.py tasks.jsonl cleaned.jsonl

The data stays outside the repository. labels.toml beside this file lists the changes and their reasons.
"""

import argparse
import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

_MOST_OF_A_TEMPLATE = 3  # rows with the same system prompt in one repository
_BOILERPLATE = (
    re.compile(r"\A(?:\s*\[[^\]]{1,60}\])+\s*"),  # [HOLD for payment …] [$250]
    re.compile(r"^If you haven.t already, check out our \[contributing.*?^_{3,}\s*$", re.MULTILINE | re.DOTALL),
    re.compile(r"^\*\*[^*\n]{3,200}:\*\*.*$\n?", re.MULTILINE),  # **Version Number:** …
    re.compile(r"^## (?:Workaround|Platforms|Screenshots).*?(?=^## |\Z)", re.MULTILINE | re.DOTALL),
    re.compile(r"^\[View all open jobs on GitHub\].*", re.MULTILINE | re.DOTALL),
    re.compile(r"^https?://\S+\s*$\n?", re.MULTILINE),
)


def without_boilerplate(text: str) -> str:
    """Return an issue without its tracker's boilerplate; return other text unchanged."""
    if "contributing" not in text and "[$" not in text and "HOLD for payment" not in text:
        return text
    for pattern in _BOILERPLATE:
        text = pattern.sub("", text)
    return text.strip()


def repository(row: dict[str, Any]) -> str:
    return str(row["source"]).split(":", 1)[0]


def _matches(row: dict[str, Any], rule: dict[str, Any]) -> bool:
    return (
        (row["id"] in rule["id"] if "id" in rule else True)
        and (any(part in row["sub"] for part in rule["sub"]) if "sub" in rule else True)
        and (any(part in row["source"] for part in rule["source"]) if "source" in rule else True)
        and rule.get("system", "") in (row["system"] or "")
    )


def clean(rows: list[dict[str, Any]], rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows to keep, with corrected labels and texts."""
    kept, seen = [], Counter[tuple[str, str]]()
    for row in rows:
        label = next((rule["label"] for rule in rules if _matches(row, rule)), row["label"])
        if label == "drop":
            continue
        template = repository(row), (row["system"] or "")[:300]
        seen[template] += 1
        if row["sub"] == "travelplanner" and seen[template] > _MOST_OF_A_TEMPLATE:
            continue
        messages = [each | {"content": without_boilerplate(each["content"])} for each in row["messages"]]
        kept.append(row | {"label": label, "messages": messages, "was": row["label"]})
    return kept


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("tasks", type=Path)
    parser.add_argument("cleaned", type=Path)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.tasks.read_text("utf-8").splitlines()]
    rules = tomllib.loads(Path(__file__).with_name("labels.toml").read_text("utf-8"))["labels"]
    kept = clean(rows, rules)
    arguments.cleaned.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in kept), "utf-8")
    changed = Counter(f"{row['was']} → {row['label']}" for row in kept if row["was"] != row["label"])
    print(f"{len(rows)} rows, {len(kept)} kept; {dict(Counter(row['label'] for row in kept))}")
    print(f"relabelled: {dict(changed)}")


if __name__ == "__main__":
    main()
