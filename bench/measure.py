"""What is measured: runs bench/load in steps and reads the clocks and the memory of the peer."""

import json
import os
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from peers import MIB, PASSWORD, die_with_parent

LOAD_LIMIT = 300  # seconds after which a load that does not end is ended, as an error


def cpu_seconds(pids):
    """CPU time of whole processes, threads that have ended included, in nanosecond resolution: the
    kernel's per-process clock (clock_getcpuclockid(3)), not the 10 ms ticks of /proc/PID/stat."""
    return sum(time.clock_gettime(((~pid) << 3) | 2) for pid in pids)


def memory_kib(pids):
    """Proportional set size: private pages whole, shared ones by share."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


class Load:
    """bench/load as a child; step() returns what it printed, and fails when it failed."""

    def __init__(self, run, peer, kind, **options):
        argv = [run.tools / "bench/load", kind, "--to", peer.address, "--tls", peer.tls_mode,
                "--ca", run.tls.ca]
        for key, value in options.items():
            if value is True:
                argv.append(f"--{key}")
            elif value is not False:
                argv += [f"--{key}", value]
        if run.pin is not None:
            argv = ["taskset", "-c", run.pin, *argv]
        self.what = f"{peer.name} {kind}"
        self.child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      preexec_fn=die_with_parent,
                                      env={**os.environ, "BENCH_PASSWORD": PASSWORD})
        self.watchdog = threading.Timer(LOAD_LIMIT, self.child.kill)
        self.watchdog.start()
        self.answer()

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            self.watchdog.cancel()
            raise RuntimeError(f"{self.what} failed: {self.child.communicate()[1].strip()}")
        return json.loads(line)

    def step(self):
        self.child.stdin.write("go\n")
        self.child.stdin.flush()
        return self.answer()

    def close(self):
        self.child.stdin.close()
        try:
            if self.child.wait(60) != 0:
                raise RuntimeError(f"{self.what} failed: {self.child.stderr.read().strip()}")
        finally:
            self.watchdog.cancel()
            self.child.stdout.close()
            self.child.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.close()
        else:
            self.watchdog.cancel()
            self.child.kill()
            self.child.communicate()


def timed_step(run, peer, load):
    """One step, with the CPU that the peer and the server took for it."""
    peer_pids, server_pids = peer.pids(), run.server.pids()
    peer_before, server_before = cpu_seconds(peer_pids), cpu_seconds(server_pids)
    result = load.step()
    result["server_cpu"] = cpu_seconds(server_pids) - server_before
    direct = peer_pids == server_pids
    result["peer_cpu"] = 0.0 if direct else cpu_seconds(peer_pids) - peer_before
    return result


@contextmanager
def one_core(run, peer, wanted):
    """Everything on one processor for a while. Unpinned it is chance whether a wake-up crosses
    processors, and that alone can double what an operation takes."""
    if not wanted or run.pin is not None:
        yield
        return
    everywhere, pids = os.sched_getaffinity(0), {*peer.pids(), *run.server.pids()}
    set_affinity({os.getpid(), *pids}, {min(everywhere)})
    try:
        yield
    finally:
        set_affinity({os.getpid(), *pids}, everywhere)


def set_affinity(pids, cpus):
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                os.sched_setaffinity(int(task), cpus)
            except ProcessLookupError:
                pass  # a thread that ended meanwhile


def selects(run, peer, connections, pinned=False):
    count = run.scaled({1: 20000, 8: 40000, 64: 40000}[connections])
    with one_core(run, peer, pinned):
        return select_figures(run, peer, connections, count)


def select_figures(run, peer, connections, count):
    with Load(run, peer, "select", connections=connections, count=count) as load:
        r = timed_step(run, peer, load)
    million = 1e6 / r["count"]
    return {"p50_us": r["p50_us"], "p99_ms": r["p99_us"] / 1000, "rate": r["count"] / r["seconds"],
            "cpu": r["peer_cpu"] * million, "server_cpu": r["server_cpu"] * million,
            "client_cpu": r["client_cpu"] * million}


def logins(run, peer, resume):
    count = run.scaled(400)
    with one_core(run, peer, True), Load(run, peer, "login", count=count, resume=resume) as load:
        r = timed_step(run, peer, load)
    thousand = 1000 / r["count"]
    return {"rate": r["count"] / r["seconds"], "p50_ms": r["p50_us"] / 1000,
            "cpu_ms": r["peer_cpu"] * thousand, "server_cpu_ms": r["server_cpu"] * thousand,
            "resumed": r["resumed"] / r["count"]}


def bulk(run, peer, table, rows, length, pinned=False):
    """Some big result: the table's rows, repeated until the size is reached."""
    times = run.scaled({"blobs": 16, "texts": 5}[table])
    sql = f"SELECT t.v FROM {table} t JOIN seq_1_to_{times} s"
    size = {"rows": rows * times, "bytes": rows * times * length}
    with one_core(run, peer, pinned), Load(run, peer, "bulk", sql=sql, **size) as load:
        r = timed_step(run, peer, load)
    giga = 1e9 / r["bytes"]
    return {"mb_s": r["bytes"] / 1e6 / r["seconds"], "cpu": r["peer_cpu"] * giga,
            "server_cpu": r["server_cpu"] * giga}


def idle(run, peer):
    """Memory that each session adds, in a fresh process that has served one session before, the same
    way: what the process keeps once for all sessions, such as a worker's buffers, is not counted."""
    sessions = run.scaled(1000)
    peer.stop()
    peer.start()
    with Load(run, peer, "idle", connections=1) as load:
        load.step()
        load.step()
    time.sleep(0.2)
    with Load(run, peer, "idle", connections=sessions) as load:
        before = memory_kib(peer.pids())
        load.step()
        time.sleep(0.5)
        query = memory_kib(peer.pids())
        load.step()
        time.sleep(0.5)
        big = memory_kib(peer.pids())
    return {"query_kib": (query - before) / sessions, "bulk_kib": (big - before) / sessions}


def machine_busy():
    """CPU seconds that the whole machine has worked, or was kept from working by its host."""
    fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_busy(run, peer):
    """CPU seconds of all that belongs to the bench; loads are counted when they have ended."""
    t = os.times()
    pids = {*run.server.pids(), *peer.pids()}
    return t.user + t.system + t.children_user + t.children_system + cpu_seconds(pids)


def watched(run, peer, name):
    """One measurement, with the processors' worth of work that other programs did meanwhile."""
    start, busy, own = time.monotonic(), machine_busy(), own_busy(run, peer)
    result = MEASURES[name](run, peer)
    if name != "idle":  # it starts the peer anew, and memory does not mind
        others = machine_busy() - busy - (own_busy(run, peer) - own)
        result["others"] = max(0.0, others / (time.monotonic() - start))
    return result


CALM = 0.2  # processors' worth of other work that is let pass
TRIES = 3


def calmest(run, peer, name):
    """Measures again while others disturb it, a few times; keeps the least disturbed result."""
    best = watched(run, peer, name)
    for _ in range(1, TRIES):
        if best.get("others", 0) <= CALM:
            break
        time.sleep(1)
        again = watched(run, peer, name)
        best = min(best, again, key=lambda r: r["others"])
    return best


# name -> measurement of one peer, in the order of a round
MEASURES = {
    "onecore1": lambda run, peer: selects(run, peer, 1, pinned=True),
    "onecore8": lambda run, peer: selects(run, peer, 8, pinned=True),
    "onecore64": lambda run, peer: selects(run, peer, 64, pinned=True),
    "select1": lambda run, peer: selects(run, peer, 1),
    "select8": lambda run, peer: selects(run, peer, 8),
    "select64": lambda run, peer: selects(run, peer, 64),
    "login": lambda run, peer: logins(run, peer, False),
    "resume": lambda run, peer: logins(run, peer, True),
    "onecorebulk": lambda run, peer: bulk(run, peer, "blobs", 16, MIB, pinned=True),
    "onecorerows": lambda run, peer: bulk(run, peer, "texts", 100000, 200, pinned=True),
    "bulk": lambda run, peer: bulk(run, peer, "blobs", 16, MIB),
    "rows": lambda run, peer: bulk(run, peer, "texts", 100000, 200),
    "idle": idle,
}
