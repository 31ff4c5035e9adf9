"""scripts/bench runs, its client notices wrong answers, and the ratios and goals are printed. No time is asserted:
what a machine measures while it runs tests means nothing.
"""
import json
import re

import pytest

from lib import paths, ports, process

pytestmark = pytest.mark.slow  # it makes a build of its own

PEERS = "plaintext,hitch,hop,elexgate"


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """The bench's own tools, in a build folder of their own: the option is off by default."""
    folder = tmp_path_factory.mktemp("bench-build")
    process.run(["meson", "setup", folder, paths.ROOT, "-Dbench=true", "-Dtests=false"], timeout=300)
    process.run(["ninja", "-C", folder, "bench/load", "bench/hop"], timeout=300)
    return folder


def bench(tools, *more):
    base = next(p for p in range(ports.BASE, ports.BASE + ports.COUNT - 19)
                if all(ports.is_free(p + n) for n in range(20)))
    return process.run([paths.ROOT / "scripts/bench", "--no-build", "--build", tools, "--proxy", paths.PROXY,
                        "--port-base", base, *more], timeout=300).stdout


def test_short_run_prints_tables_ratios_and_goals(tools, tmp_path):
    values, page = tmp_path / "values.json", tmp_path / "page.md"
    page.write_text("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n")
    text = bench(tools, "--scale", "0.005", "--rounds", "2", "--only", PEERS, "--json", values, "--update", page)
    results = json.loads(values.read_text())["results"]
    assert {"onecore1", "select64", "login", "resume", "bulk", "idle"} <= set(results)
    for name, peers in results.items():
        assert list(peers) == PEERS.split(","), name
        assert all(len(rounds) == 2 for rounds in peers.values()), name
    assert all(r["cpu"] > 0 for r in results["select8"]["elexgate"])
    assert all(r["cpu"] == 0 for r in results["select8"]["plaintext"])
    assert all(r["resumed"] == 1 for r in results["resume"]["hop"])
    assert all(r["resumed"] == 0 for r in results["login"]["hop"])
    # against each named peer: median (smallest–largest) of the rounds
    assert re.search(r"^\| proxy CPU per full login \|.* [\d.]+ \([\d.]+–[\d.]+\) \|", text, re.M)
    assert re.search(r"one core, / hitch \| ≤ 0.85 \| .*met\**, \d of 2 rounds \|", text)
    # the page gets an extract, between its marks
    written = page.read_text()
    assert written.startswith("before\n") and written.endswith("after\n") and "old" not in written
    assert "unpinned" in text and "unpinned" not in written and "8 conn" not in written
    assert "proxy CPU per full login" in written
    assert len(re.findall(r"^\| (?:" + PEERS.replace(",", "|") + r") (?:\| -?[\d.]+ \(-?[\d.]+–-?[\d.]+\) ){9}\|$", written, re.M)) == 4, written


def test_spread_over_two_threads(tools):
    text = bench(tools, "--spread", "--scale", "0.1")
    # handing over to the least loaded is even by construction; a hash is not
    assert re.search(r"^\| 64 \| hand-over \| 50% \| 50% \| 32/32 ×4 \|$", text, re.M)
    assert text.count("| SO_REUSEPORT |") == 2


def load(tools, server, *more):
    return process.run([tools / "bench/load", *more, "--to", f"127.0.0.1:{server.port}", "--tls", "none"], timeout=60,
                       check=False, input="go\n", env={"BENCH_PASSWORD": "bench"})


def test_client_notices_wrong_answers(tools, server):
    server.sql("CREATE DATABASE bench")
    server.sql("CREATE TABLE points (id INT PRIMARY KEY, v VARCHAR(100)) CHARACTER SET latin1; INSERT INTO points "
               "SELECT seq, RPAD(LPAD(seq, 8, '0'), 100, 'x') FROM seq_1_to_10000", database="bench")
    server.add_user("bench", "bench", grants="SELECT ON bench.*")
    good = load(tools, server, "select", "--connections", "3", "--count", "50")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout.splitlines()[1])["count"] == 50

    short = load(tools, server, "bulk", "--sql", "SELECT v FROM points", "--rows", "10001", "--bytes", "1000000")
    assert short.returncode == 1
    assert "wrong size: 10000 rows with 1000000 bytes" in short.stderr

    server.sql("UPDATE points SET v = RPAD('wrong', 100, 'x')", database="bench")
    wrong = load(tools, server, "select", "--count", "50")
    assert wrong.returncode == 1
    assert "wrong answer" in wrong.stderr

    refused = load(tools, server, "bulk", "--sql", "SELECT v FROM nothing", "--rows", "1", "--bytes", "1")
    assert refused.returncode == 1
    assert "the server says: " in refused.stderr and "nothing" in refused.stderr
