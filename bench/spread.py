"""How sessions spread over two threads: SO_REUSEPORT against handing over to the least loaded."""

from collections import Counter
from statistics import mean

from measure import Load
from peers import Hop

TRIALS = 20


def trials(run, port, sessions, more, count):
    hop = Hop("hop-two", run, port, more=["--threads", "2", *more])
    found = []
    hop.start()
    try:
        for _ in range(count):
            with Load(run, hop, "idle", connections=sessions) as load:
                load.step()
                found.append(hop.sessions())
    finally:
        hop.stop()
    return found


def text(run, port):
    count = max(2, run.scaled(TRIALS))
    lines = ["| sessions | how | busier thread's share, mean | worst | the trials (busier/other) |",
             "|---|---|---|---|---|"]
    for sessions in (16, 64):
        for how, more in (("SO_REUSEPORT", ["--reuseport"]), ("hand-over", [])):
            found = trials(run, port, sessions, more, count)
            assert all(sum(t) == sessions for t in found), found
            busier = [max(t) / sessions for t in found]
            seen = Counter(f"{max(t)}/{min(t)}" for t in found)
            listed = ", ".join(f"{k}" + (f" ×{n}" if n > 1 else "")
                               for k, n in sorted(seen.items(), key=lambda i: -int(i[0].split("/")[0])))
            lines.append(f"| {sessions} | {how} | {mean(busier):.0%} | {max(busier):.0%} | {listed} |")
    return "\n".join([*lines, ""])
