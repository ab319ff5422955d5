"""Evaluate the stage classifier, and a plain baseline, on repositories that they have not seen.

    PYTHONPATH=src TRAINING/bin/python scripts/orchestra/evaluate.py cleaned.jsonl more.jsonl

Leaves one repository out at a time; prints the pooled macro-F1 with a bootstrap interval over repositories, and the
accuracy per repository. The rows of `more` are in the training data of every fold. `--held-out` evaluates the prompts
on which nothing was chosen: count each use.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dataset import LabelledChat, read_rows
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from train import STAGES, Trained, calibrate, gated, held_out, softmax, truth_of

from tokenharbor.orchestra.shape import Shape, read_shape

_DRAWS = 2000


def baseline(rows: Sequence[LabelledChat]) -> Any:
    """Predict each row's stage with TF-IDF per field and logistic regression, on the same folds."""
    shapes = [read_shape(row.chat) for row in rows]
    truth, guesses = truth_of(rows), np.zeros(len(rows), dtype=int)
    for repository in sorted({row.repository for row in rows}):
        test = np.array([row.repository == repository for row in rows])
        train_columns, test_columns = _tfidf(shapes, ~test, test)
        model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced").fit(train_columns, truth[~test])
        guesses[test] = model.predict(test_columns)
    return guesses


def _tfidf(shapes: Sequence[Shape], train: Any, test: Any) -> tuple[Any, Any]:
    made = []
    for field in ("system", "first", "last"):
        texts = np.array([getattr(shape, field) for shape in shapes], dtype=object)
        vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True, ngram_range=(1, 2), max_features=20_000)
        made.append((vectorizer.fit_transform(texts[train]), vectorizer.transform(texts[test])))
    return hstack([first for first, _ in made]).tocsr(), hstack([second for _, second in made]).tocsr()


def interval(truth: Any, guesses: Any, repositories: Sequence[str]) -> tuple[float, float]:
    """Return the 95% bootstrap interval of macro-F1 over repositories."""
    draw, names = np.random.default_rng(7), sorted(set(repositories))
    members = {name: np.flatnonzero(np.array(repositories) == name) for name in names}
    found = []
    for _ in range(_DRAWS):
        rows = np.concatenate([members[name] for name in draw.choice(names, len(names))])
        found.append(f1_score(truth[rows], guesses[rows], average="macro", labels=list(range(5)), zero_division=0))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def show(title: str, rows: Sequence[LabelledChat], guesses: Any) -> None:
    truth, repositories = truth_of(rows), [row.repository for row in rows]
    low, high = interval(truth, guesses, repositories)
    each = f1_score(truth, guesses, average=None, labels=list(range(5)), zero_division=0)
    stages = ", ".join(f"{stage} {value:.2f}" for stage, value in zip(STAGES, each, strict=True))
    macro = f1_score(truth, guesses, average="macro")
    print(
        f"{title}: macro-F1 {macro:.3f} ({low:.3f} to {high:.3f}), accuracy {(truth == guesses).mean():.3f}; {stages}"
    )


def show_repositories(rows: Sequence[LabelledChat], guesses: Any) -> None:
    truth = truth_of(rows)
    for name in sorted({row.repository for row in rows}):
        chosen = np.array([row.repository == name for row in rows])
        print(f"| {name} | {chosen.sum()} | {(truth == guesses)[chosen].mean():.2f} |")


def show_confident(title: str, truth: Any, chances: Any) -> None:
    """Print how often the most confident predictions are right."""
    order, right = np.argsort(-chances.max(axis=1)), chances.argmax(axis=1) == truth
    shares = [(share, right[order[: round(len(order) * share)]].mean()) for share in (0.5, 0.7, 0.8, 0.9, 1.0)]
    print(
        f"{title}, right among the most confident: " + ", ".join(f"{part:.0%}: {value:.3f}" for part, value in shares)
    )


def known(rows: Sequence[LabelledChat], more: Sequence[LabelledChat], temperature: float) -> Any:
    """Return probabilities from models that have seen the agents, with five folds over rows."""
    chances = np.zeros((len(rows), len(STAGES)))
    fold = np.random.default_rng(7).permutation(len(rows)) % 5
    for number in range(5):
        train = [row for row, where in zip(rows, fold, strict=True) if where != number]
        test = [row for row, where in zip(rows, fold, strict=True) if where == number]
        chances[fold == number] = softmax(Trained([*train, *more]).scores(test), temperature)
    return chances


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Evaluate the stage classifier.")
    for name in ("cleaned", "more"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--held-out", type=Path)
    arguments = parser.parse_args()
    rows, more = read_rows(arguments.cleaned), read_rows(arguments.more)
    show("baseline", rows, baseline(rows))
    for title, with_more in (("cleaned data alone", ()), ("and more prompts", more)):
        scores = held_out(rows, with_more)
        temperature, gate = calibrate(scores, rows)
        chances = softmax(scores, temperature)
        show(title, rows, chances.argmax(axis=1))
        show(f"{title}, gate {gate}", rows, gated(chances, gate))
    show_repositories(rows, gated(chances, gate))
    show_confident("unseen agents", truth_of(rows), chances)
    show_confident("known agents", truth_of(rows), known(rows, more, temperature))
    if arguments.held_out:
        outside = read_rows(arguments.held_out)
        outside_chances = softmax(Trained([*rows, *more]).scores(outside), temperature)
        show("held-out repositories", outside, gated(outside_chances, gate))
        show_repositories(outside, gated(outside_chances, gate))


if __name__ == "__main__":
    main()
