"""Train the stage classifier's weights: multinomial logistic regression on the room's own features.

    python -m venv TRAINING && TRAINING/bin/pip install scikit-learn==1.8.0 msgspec==0.22.0
    PYTHONPATH=src TRAINING/bin/python scripts/orchestra/train.py cleaned.jsonl more.jsonl

scikit-learn is needed only for training and evaluation, so it is in no lock file. Temperature and gate are chosen on
predictions for held-out repositories. The data is never committed; the model card describes it.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dataset import LabelledChat, read_rows
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from tokenharbor.orchestra.features import features, tokens_of
from tokenharbor.orchestra.lexicon import load_lexicon
from tokenharbor.orchestra.shape import read_shape
from tokenharbor.orchestra.stage import Stage

REGULARISATION = 0.4
STAGES = sorted(stage.value for stage in Stage)
_REPOSITORIES_OF_A_WORD = 10  # repositories that must use a word before it is a feature, to exclude private vocabulary
_WEIGHTS = Path(__file__).parents[2] / "src/tokenharbor/orchestra/model/weights.toml"


class Trained:
    """A model trained on some rows: vocabulary, columns, weights."""

    def __init__(self, rows: Sequence[LabelledChat]) -> None:
        self.lexicon = load_lexicon()
        self.vocabulary = vocabulary_of(rows)
        self.columns = DictVectorizer()
        self.model = LogisticRegression(C=REGULARISATION, max_iter=1000)
        found = self.columns.fit_transform([self.features(row) for row in rows])
        self.model.fit(found, [row.label for row in rows], sample_weight=_weights(rows))

    def features(self, row: LabelledChat) -> dict[str, float]:
        return features(read_shape(row.chat), self.lexicon, self.vocabulary)

    def scores(self, rows: Sequence[LabelledChat]) -> Any:
        return self.model.decision_function(self.columns.transform([self.features(row) for row in rows]))


def vocabulary_of(rows: Sequence[LabelledChat]) -> frozenset[str]:
    """Return the words that many repositories use."""
    users: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        shape = read_shape(row.chat)
        for word in {*tokens_of(shape.system), *tokens_of(shape.last)}:
            if len(word) > 2 and word.isascii() and word.isalpha():
                users[word].add(row.repository)
    return frozenset(word for word, where in users.items() if len(where) >= _REPOSITORIES_OF_A_WORD)


def _weights(rows: Sequence[LabelledChat]) -> list[float]:
    """Return the rows' weights; rows of repeated templates and frequent labels weigh less."""
    templates = Counter(row.template for row in rows)
    labels = Counter(row.label for row in rows)
    return [
        float(templates[row.template] ** -0.5 * (len(rows) / len(labels) / labels[row.label]) ** 0.5) for row in rows
    ]


def held_out(rows: Sequence[LabelledChat], more: Sequence[LabelledChat]) -> Any:
    """Return each row's scores from a model that has not seen the row's repository."""
    scores = np.zeros((len(rows), len(STAGES)))
    for repository in sorted({row.repository for row in rows}):
        test = [index for index, row in enumerate(rows) if row.repository == repository]
        trained = Trained([row for row in (*rows, *more) if row.repository != repository])
        scores[test] = trained.scores([rows[index] for index in test])
    return scores


def softmax(scores: Any, temperature: float) -> Any:
    powers = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def truth_of(rows: Sequence[LabelledChat]) -> Any:
    return np.array([STAGES.index(row.label) for row in rows])


def gated(chances: Any, gate: float) -> Any:
    """Return each row's stage; a guess below the gate becomes general."""
    guesses = chances.argmax(axis=1)
    return np.where(chances.max(axis=1) >= gate, guesses, STAGES.index(Stage.GENERAL))


def calibrate(scores: Any, rows: Sequence[LabelledChat]) -> tuple[float, float]:
    """Return the temperature with the least log loss, and the highest gate among those with the best macro-F1."""
    truth, every = truth_of(rows), np.arange(len(rows))
    temperatures = [step / 20 for step in range(10, 81)]
    temperature = min(temperatures, key=lambda each: -np.log(softmax(scores, each)[every, truth]).mean())
    chances = softmax(scores, temperature)
    gates = [step / 100 for step in range(20, 80)]
    quality = {gate: round(float(f1_score(truth, gated(chances, gate), average="macro")), 3) for gate in gates}
    return temperature, max(gate for gate in gates if quality[gate] == max(quality.values()))


def write(path: Path, trained: Trained, temperature: float, gate: float) -> None:
    """Return the weights in thousandths, one line per feature, so that diffs are readable."""
    rows = np.rint(trained.model.coef_.T * 1000).astype(int)
    named = dict(zip(trained.columns.get_feature_names_out(), rows, strict=True))
    named["bias"] = named["bias"] + np.rint(trained.model.intercept_ * 1000).astype(int)
    lines = [
        "# Made by scripts/orchestra/train.py; README.md beside this file is the model card.",
        f"stages = {list(map(str, trained.model.classes_))}".replace("'", '"'),
        f"gate = {gate}",
        f"temperature = {temperature}",
        "",
        "[weights]  # thousandths",
        *(f'"{name}" = {list(map(int, row))}' for name, row in sorted(named.items()) if abs(row).max() >= 8),
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train the stage classifier.")
    for name in ("cleaned", "more"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    rows, more = read_rows(arguments.cleaned), read_rows(arguments.more)
    temperature, gate = calibrate(held_out(rows, more), rows)
    write(_WEIGHTS, Trained([*rows, *more]), temperature, gate)
    print(f"{len(rows)} + {len(more)} rows, temperature {temperature}, gate {gate}: {_WEIGHTS}")


if __name__ == "__main__":
    main()
