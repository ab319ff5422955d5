"""A small repository with a fault and a test that shows it, for coding agents to mend."""

import subprocess
import sys
from pathlib import Path

SOURCE = "berths.py"
TEST_COMMAND = "python3 -m unittest -q"
PROMPT = f"The test in this folder fails. Look at {SOURCE}, mend the mistake, and run `{TEST_COMMAND}` until it passes."

REPORT_PROMPT = "Report the quay and how many berths are free."
REPORT = '{"quay": "„Döhm“ \\"1\\"", "free": 2}'
"""What a client that asks for structured answers asks for besides, and what it gets."""

# Quotes, a line break, a tab's escape and letters beyond ASCII: whatever carries arguments must carry these.
WRONG = '    """How many „Döhm\\t32“ fit."""\n    return quay_m // LENGTH_M + len(ships)'
RIGHT = '    """How many \\"Döhm\\t32\\" fit – or none."""\n    return max(quay_m // LENGTH_M - len(ships), 0)'

_BERTHS = f'''"""Berths at a quay."""

LENGTH_M = 32


def free_berths(quay_m, ships):
{WRONG}
'''
BERTHS_MENDED = _BERTHS.replace(WRONG, RIGHT)

_TEST = '''"""What a harbour master expects."""

import unittest

from berths import free_berths


class Berths(unittest.TestCase):
    def test_a_ship_takes_a_berth(self):
        self.assertEqual(free_berths(100, ["Döhm"]), 2)

    def test_a_full_quay_has_none(self):
        self.assertEqual(free_berths(32, ["Döhm", "Sylt"]), 0)
'''


def write(folder: Path) -> None:
    (folder / SOURCE).write_text(_BERTHS)
    (folder / "test_berths.py").write_text(_TEST)


def fault(folder: Path) -> str | None:
    """None if the fault was mended as the model said and the test, as it was written, passes."""
    if (folder / "test_berths.py").read_text() != _TEST:
        return "the test was changed"
    if (text := (folder / SOURCE).read_text()) != BERTHS_MENDED:
        return f"{SOURCE} was not changed" if text == _BERTHS else f"{SOURCE} was changed to something else: {text!r}"
    command = [sys.executable, "-B", "-m", "unittest", "-q"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return None if done.returncode == 0 else f"the test still fails: {done.stderr[-500:]}"
