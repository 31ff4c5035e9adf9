"""Kills restores with SIGKILL, at every step's beginning and at random times, and counts what was there after `restore
recover`: the old data, the new ones, or neither. scripts/restore-campaign runs it for long, test_restore.py in short."""
import collections
import random
import time

from lib.backup import event
from lib.restore import PHASES, hashes


class Campaign:
    """rows: {step: Counter(kills, old, new, lost)}; problems: words about what was not right."""

    def __init__(self, site, seed=1):
        self.site, self.rng = site, random.Random(seed)
        self.rows = collections.defaultdict(collections.Counter)
        self.problems = []
        self.seconds = self.blocked = None

    def measure(self):
        """How long a restore takes here, for the random times."""
        begin = time.monotonic()
        lines = self.site.job("run", "latest")
        self.seconds = time.monotonic() - begin
        self.blocked = event(lines, "restored")[0]["blocked_ms"] / 1000
        self.site.job("undo")
        self.site.job("accept")
        assert self.site.side() == "old"

    def round(self, command=("run", "latest"), phase=None, after=None, again=False):
        """One kill, see Site.kill_at; `again`: the recovery is killed as well. Then one recovery that is left in peace, and
        a look at everything."""
        site = self.site
        if command[0] == "undo":
            site.job("run", "--no-trial", "latest")
        step = site.kill_at(*command, phase=phase, after=after)
        if step is None:
            step = "done before"
        if again:
            site.kill_at("recover", after=self.rng.uniform(0, 1.0))
        if step in ("stop", "swap", "start", "look") and not again and site.is_open():
            self.problems.append(f"{step}: clients were let in before the recovery")
        site.job("recover")
        side = site.side()
        if side not in ("old", "new"):
            self.problems.append(f"{step}: {side}")
        documents = hashes(site.documents)
        expected = {"old": site.documents_now, "new": site.documents_then}.get(side)
        if documents != expected:
            self.problems.append(f"{step}: the documents are not those of the {side} side")
            side = "lost"
        if not site.is_open():
            self.problems.append(f"{step}: clients are still kept out")
        row = self.rows[step]
        row["kills"] += 1
        row[side if side in ("old", "new") else "lost"] += 1
        if side == "new" and site.journal.exists():
            site.job("undo")
        if site.journal.exists():
            site.job("accept")
        left = [str(p) for p in site.staging if p.exists()]
        if left:
            self.problems.append(f"{step}: left behind: {left}")
        if site.side() != "old":
            raise RuntimeError(f"{step}: cannot go on from {site.side()}")

    def run(self, kills):
        """In turn: a step's beginning, any time, any time from block to open, any time while the folders change, and an
        undo at any time; every third of these kills the recovery too."""
        draw = self.rng.uniform
        for i in range(kills):
            kind, again = i % 5, i % 3 == 2
            if kind == 0:
                self.round(phase=PHASES[i // 5 % len(PHASES)], again=again)
            elif kind == 1:
                self.round(after=draw(0, self.seconds), again=again)
            elif kind == 2:
                self.round(phase="block", after=draw(0, self.blocked), again=again)
            elif kind == 3:
                self.round(phase="swap", after=draw(0, 0.03), again=again)
            else:
                self.round(command=("undo",), phase="block", after=draw(0, self.blocked), again=again)
        return self

    def table(self):
        lines = ["| step | kills | old | new | lost |", "|---|---|---|---|---|"]
        order = ["begin", *PHASES, "done before"]
        total = collections.Counter()
        for step in sorted(self.rows, key=order.index):
            row = self.rows[step]
            total.update(row)
            lines.append(f"| {step} | {row['kills']} | {row['old']} | {row['new']} | {row['lost']} |")
        lines.append(f"| all | {total['kills']} | {total['old']} | {total['new']} | {total['lost']} |")
        return "\n".join(lines)
