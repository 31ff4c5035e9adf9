"""The matrix of restore_matrix.py: a few cells of it here, all of them by scripts/restore-matrix."""
import collections
import os

import pytest

from lib import process
from lib.gate import Gate
from restore_matrix import CONDITIONS, SOURCES, STATES, Matrix

SHORT = [("physical", "orphan file"), ("physical", "full disk at block"), ("physical", "full disk at start"), ("physical", "kill -9 at start"),
         ("foreign", "missing database"), ("foreign", "empty directory"), ("dump", "discarded table"), ("sql-mysql8", "healthy"),
         ("sql-10.11", "broken view"), ("sql-10.11", "16M packets"), ("sql-5.5", "strict mode"), ("sql-11.8", "missing database"),
         ("sql-10.11", "dead server"), ("dump", "empty directory")]
FULL = [(s, c) for s in SOURCES for c in CONDITIONS]
CELLS = FULL if os.environ.get("ELEXGATE_RESTORE_MATRIX") else SHORT
MUST_BE_NEW = {(s, c) for s in SOURCES for c in STATES}
RESULTS = collections.defaultdict(dict)


@pytest.fixture(scope="module")
def matrix(session_folder, template, pki):
    folder = session_folder / "matrix"
    disk = folder / "disk"
    disk.mkdir(parents=True)
    if process.run(["mount", "-t", "tmpfs", "-o", "size=600m", "none", disk], check=False).returncode != 0:
        pytest.skip("cannot mount here")
    gates = []

    def gate_of(server):
        gates.append(Gate(folder / "gate", server, pki, options={"proxy": {"grace": "200ms"}}).start())
        return gates[0]
    try:
        matrix = Matrix(folder, disk, template, gate_of)
        yield matrix
        matrix.end()
    finally:
        for gate in gates:
            gate.stop()
        process.run(["umount", "-l", disk], check=False)
        if os.environ.get("ELEXGATE_RESTORE_MATRIX"):
            with open(os.environ["ELEXGATE_RESTORE_MATRIX"], "w") as f:
                f.write(table())


def table():
    text = "| | " + " | ".join(SOURCES) + " |\n|" + "---|" * (len(SOURCES) + 1) + "\n"
    for condition in CONDITIONS:
        text += f"| {condition} | " + " | ".join(RESULTS[condition].get(source, "**failed**") for source in SOURCES) + " |\n"
    return text


@pytest.mark.parametrize("source,condition", CELLS, ids=lambda x: x.replace(" ", "-"))
def test_cell(matrix, source, condition):
    side, code, words = matrix.cell(source, condition)
    print(source, condition, side, code, words)
    RESULTS[condition][source] = side if code == 0 else f"{side} ({code})" if code > 0 else side
    assert side == "new" or (source, condition) not in MUST_BE_NEW, f"exit {code}: {words}"
