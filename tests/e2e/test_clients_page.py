"""The table of real clients: a run that broke off goes on where it was, and each cell says of which run it is."""

import os
import signal
from pathlib import Path

import pytest
from tests.e2e.clients import matrix, page, place
from tests.e2e.clients.journal import Cell, Journal, Sitting
from tests.e2e.clients.matrix import TRIALS, version_of
from tests.e2e.clients.toolbox import Node

FIRST = Sitting("2026-03-01 23:50", "abc1234", "in full")
RESUMED = Sitting("2026-03-02 09:00", "abc1234", "resumed")
ALONE = Sitting("2026-03-02 10:00", "def5678", "alone")


def cell(number: int, sitting: Sitting, *faults: str) -> Cell:
    client, upstream = TRIALS[number]
    seen = (faults, 4, 3, f"{sitting.began[:-2]}59", sitting)
    return Cell(client.name, client.dialect, version_of(client), upstream, *seen)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "cells.jsonl")
    journal.begin()
    return journal


def test_what_was_found_is_there_after_the_program_broke_off_within_a_line(journal: Journal) -> None:
    cells = [cell(0, FIRST), cell(1, FIRST, "exit code 1")]
    for each in cells:
        journal.note(each)
    with journal.path.open("a") as file:
        file.write('{"client": "Cl')
    assert list(journal.cells().values()) == cells


def test_a_resumed_run_tries_what_is_not_known_and_a_failed_cell_is_tried_alone(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page, "PAGE", written := tmp_path / "clients.md")
    monkeypatch.setattr(matrix, "TOOLS", journal.path.parent)
    journal.path = tmp_path / "clients.jsonl"  # the program's own
    written.write_text("before\n<!-- matrix -->\nold\n<!-- end of matrix -->\nafter\n")
    for number in range(len(TRIALS) - 2):
        journal.note(cell(number, FIRST, *(["exit code 1"] if number == 3 else [])))
    tried: list[tuple[str, list[str]]] = []

    def try_all(trials: list[matrix.Trial], sitting: Sitting, note: object) -> list[Cell]:
        tried.append((sitting.how, [upstream for _, upstream in trials]))
        cells = [cell(TRIALS.index(trial), sitting) for trial in trials]
        for each in cells:
            journal.note(each)
        return cells

    monkeypatch.setattr(matrix, "try_all", try_all)
    monkeypatch.setattr("sys.argv", ["clients", "--resume"])
    assert matrix.main() == 0
    assert f"{len(TRIALS) - 1} of {len(TRIALS)} work." in written.read_text()
    monkeypatch.setattr("sys.argv", ["clients", "--failed"])
    assert matrix.main() == 0
    assert tried == [("resumed", ["gemini", "bedrock_converse"]), ("alone", [TRIALS[3][1]])]
    text = written.read_text()
    assert f"{len(TRIALS)} of {len(TRIALS)} work." in text
    assert text.startswith("before\n<!-- matrix -->\n| Client |")
    assert text.endswith("<!-- end of matrix -->\nafter\n")


def test_a_cell_of_a_later_sitting_has_its_letter() -> None:
    cells = [cell(0, FIRST), cell(1, RESUMED), cell(2, ALONE), cell(3, FIRST, "exit code 1"), cell(4, FIRST)]
    text = "\n".join(page.table(cells))
    assert "| yes | yes <sup>a</sup> | yes, spliced <sup>b</sup> | **no** (1) | yes |" in text
    assert "4 of 5 work.\n1. exit code 1\n" in text
    assert "\nFull run, 2026-03-01 23:50 to 23:59 UTC: 3 cells.\n" in text
    assert "<sup>a</sup> Cells that the previous run had not tried, 2026-03-02 09:00 to 09:59 UTC" in text
    assert "<sup>b</sup> Repeated, one at a time, 2026-03-02 10:00 to 10:59 UTC: 1 cell." in text


@pytest.mark.slow
def test_a_client_that_hangs_is_cut_off_with_what_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Even a daemon that left its session and HOME, but still holds its output."""
    monkeypatch.setattr(place, "find_node", lambda: Node("/usr/bin/node", ("npm",)))
    here = place.Place("http://127.0.0.1:9", "key", tmp_path, tmp_path / "place", seconds=1)
    daemon = "import os,subprocess,sys,time\nprint('began', flush=True)\n"
    daemon += "child = subprocess.Popen(['sleep', '600'], start_new_session=True, env={})\n"
    daemon += "open('child', 'w').write(str(child.pid))\ntime.sleep(600)\n"
    ended = place.run(here, ("python3", "-c", daemon), {})
    os.kill(int((here.work / "child").read_text()), signal.SIGKILL)
    assert (ended.cut_off, ended.stdout.strip()) == (1, "began")
