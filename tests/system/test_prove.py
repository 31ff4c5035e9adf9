"""The proof of the chain: the backup before and the archived log come to what the newest backup recorded, or the first gap is named. docs/pitr.md."""
import contextlib
import gzip
import json
import pathlib
import re
import signal

import pytest
from lib import paths, process
from lib.backup import event
from test_pitr import KINDS, Practice


@pytest.fixture(scope="module")
def practice(session_folder, template):
    p = Practice(pathlib.Path(session_folder) / "prove", template)
    p.stream.start()
    backup(p)
    yield p
    p.end()


def backup(p):
    p.backup.job("backup", "--now")
    p.stream.caught_up()


def runs(p):
    return p.backup.job("list")[-1]["backups"]


def prove(p, *args, exit=0):
    lines = p.backup.job("prove", *args, exit=exit)
    told = [{k: v for k, v in line.items() if k != "event"} for line in event(lines, "chain")]
    assert lines[-1].get("proofs", []) == told
    return lines[-1]


def nothing(p, words):
    lines = p.backup.job("prove")
    assert lines[-1]["nothing"] and words in event(lines, "note")[-1]["text"] and "proofs" not in lines[-1], lines


def test_a_chain_holds_over_every_kind_of_change(practice):
    """Rows, definitions, accounts, programs, sequences, XA, other engines, history: what a backup has recorded is what the log brings; the proofs join."""
    nothing(practice, "two physical backups")
    server = practice.server
    for do in KINDS.values():
        server.sql(do)
    server.sql("CREATE TABLE load_db.verlauf (id INT PRIMARY KEY, w INT) WITH SYSTEM VERSIONING; INSERT INTO load_db.verlauf VALUES (1,1),(2,2); UPDATE load_db.verlauf SET w=9;"
               "DELETE FROM load_db.verlauf WHERE id=2; CREATE TABLE load_db.fluechtig (a INT) ENGINE=MEMORY; INSERT INTO load_db.fluechtig VALUES (1)")
    backup(practice)
    told = prove(practice)["proofs"][0]
    new, old = runs(practice)
    assert told["good"] and told["base"] == old["run"] and told["run"] == new["run"] and told["since"] == old["finished"] and told["until"] == new["started"]
    assert int(re.search(r"(\d+) checksums compared", told["text"])[1]) >= 8
    assert new["chain"]["good"] and new["chain"]["base"] == old["run"] and old["chain"] is None
    server.sql("DROP TABLE load_db.verlauf; FLUSH BINARY LOGS; INSERT INTO load_db.kontakt (name) VALUES ('nach')")
    backup(practice)
    told = prove(practice)["proofs"][0]
    assert told["base"] == new["run"] and told["since"] == old["finished"]
    listed = practice.backup.job("list")[-1]
    assert listed["binlog_proven"]["since"] == old["finished"] and listed["binlog_proven"]["until"] == listed["backups"][0]["started"]
    # the seal: whoever writes to the folder cannot claim it
    status = practice.backup.archives / f"elexisdb_{new['run']}.status.json"
    claimed = json.loads(status.read_text())
    claimed["chain"]["words"] = "auch"
    status.write_text(json.dumps(claimed))
    listed = practice.backup.job("list")[-1]
    assert listed["backups"][1]["chain"] is None and listed["binlog_proven"]["since"] == new["finished"]


UNLOGGED = {
    "rows": ("UPDATE load_db.kontakt SET name='x' LIMIT 1", r"load_db\.kontakt has the checksum"),
    "dropped": ("DROP TABLE load_db.da", r"table load_db\.da is there, and was not"),
    "account": ("CREATE USER heimlich", r"mysql\.global_priv has \d+ rows"),
}


@pytest.mark.parametrize("what", UNLOGGED)
def test_what_the_log_does_not_bring_is_named(practice, what):
    do, words = UNLOGGED[what]
    practice.server.sql("CREATE OR REPLACE TABLE load_db.da (a INT); INSERT INTO load_db.kontakt (name) VALUES ('a'),('b')")
    backup(practice)
    practice.server.sql(f"SET SQL_LOG_BIN=0; {do}")
    backup(practice)
    done = prove(practice, exit=6)
    new, old = runs(practice)[:2]
    assert re.search(rf"the backup of {old['run']} with the binary log from there on is not what {new['run']} was: .*{words}", done["error"]), done["error"]
    assert not done["proofs"][0]["good"] and not new["chain"]["good"] and re.search(words, new["chain"]["words"])
    assert practice.backup.job("list")[-1]["binlog_proven"]["since"] is None


@contextlib.contextmanager
def damaged(p, what):
    """The closed segment that says "mitte"; what the error must name. As it was, afterwards."""
    for index in sorted(p.stream.root.glob("*/*.json")):
        known = json.loads(index.read_text())
        stored = index.parent / known["stored"]
        if not known["open"] and f"mitte {what}".encode() in gzip.decompress(stored.read_bytes()):
            break
    was = index.read_bytes(), stored.read_bytes()
    if what == "removed":
        stored.unlink()
    elif what == "index removed":
        index.unlink()
    elif what == "event altered":
        stored.write_bytes(gzip.compress(gzip.decompress(stored.read_bytes()).replace(b"mitte", b"MITTE")))
    else:
        index.write_text(index.read_text().replace('"groups":1', '"groups":2'))
    assert not (index.exists() and stored.exists()) or (index.read_bytes(), stored.read_bytes()) != was
    before = f"{known['number'] - 1:06} up to" if "number" in known else f"{int(known['file'].rsplit('.')[-1]) - 1:06} up to"
    yield known["file"] if what in ("removed", "event altered") else before
    index.write_bytes(was[0])
    stored.write_bytes(was[1])


@pytest.mark.parametrize("what", ["removed", "index removed", "event altered", "index altered"])
def test_the_first_gap_is_named(practice, what):
    for name in ("anfang", "mitte", "ende"):
        practice.server.sql(f"INSERT INTO load_db.kontakt (name) VALUES ('{name} {what}'); FLUSH BINARY LOGS")
    backup(practice)
    with damaged(practice, what) as named:
        done = prove(practice, exit=6)
    assert named in done["error"] and re.search(r"it leads up to \d{4}-\d\d-\d\dT\S+, and no further", done["error"]), done["error"]
    assert not runs(practice)[0]["chain"]["good"]
    prove(practice)  # whole again


def test_the_running_server_at_a_quiet_moment(practice):
    server = practice.server
    server.sql("CREATE TABLE load_db.my (a INT) ENGINE=MyISAM; INSERT INTO load_db.my VALUES (1)")
    chain = runs(practice)[0]["chain"]
    told = prove(practice, "--live")["proofs"][0]
    assert told["good"] and told["run"] == "" and told["base"] == runs(practice)[0]["run"] and runs(practice)[0]["chain"] == chain
    server.sql("SET SQL_LOG_BIN=0; DELETE FROM load_db.my")
    assert re.search(r"is not what the server was: load_db\.my has 1 rows, it had 0", prove(practice, "--live", exit=6)["error"])


def test_nobody_waits_for_a_proof_of_the_running_server(practice):
    """Somebody who wants a table that is being read gets it at once, and the proof lets go."""
    practice.server.sql("CREATE TABLE load_db.gross (a INT) ENGINE=MyISAM")
    with practice.server.connect() as c:
        c.query("LOCK TABLES load_db.gross WRITE")
        job = practice.backup.start_job("prove", "--live")
        lines = [json.loads(line) for line in job.communicate(timeout=120)[0].splitlines()]
        assert lines[-1]["exit"] == 4 and lines[-1]["nothing"] and "waits" in lines[-1]["error"], lines[-1]
        c.query("UNLOCK TABLES")


def test_a_segment_that_is_closed_while_it_is_read(practice):
    """The catalog knew it as open; compressed and under another name it is the same."""
    practice.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('offen')")
    practice.stream.caught_up()
    file = practice.server.sql("SHOW MASTER STATUS")[0][0]
    job = practice.backup.start_job("restore", "into", "--to", "latest", practice.folder / "into")
    for line in job.stdout:
        if json.loads(line).get("phase") == "replay":
            break
    job.send_signal(signal.SIGSTOP)
    practice.server.sql("FLUSH BINARY LOGS")
    process.wait_until(lambda: not list(practice.stream.root.glob(f"*/{file}-*.open")), 30, "the segment is closed")
    job.send_signal(signal.SIGCONT)
    lines = [json.loads(line) for line in job.communicate(timeout=120)[0].splitlines()]
    assert lines[-1]["exit"] == 0, lines[-1]
    assert event(lines, "replayed")[-1]["file"] == file


def test_what_a_deleted_backup_strands_is_said_before(practice):
    """Only the oldest one is where seconds begin that no other leads to."""
    while len(runs(practice)) < 3:
        backup(practice)
    listed = runs(practice)
    assert [run["strands"] is not None for run in listed] == [False] * (len(listed) - 1) + [True]
    strands = listed[-1]["strands"]
    assert strands == {"from": listed[-1]["finished"], "until": listed[-2]["finished"]}
    # so does the preview of what retention will remove: of each, once the older ones have gone
    practice.backup.start_keeper()
    try:
        goes = practice.backup.call({"cmd": "retention-preview", "keep": 2})["goes"]
        assert practice.backup.call({"cmd": "retention-preview", "keep": 20})["goes"] == []
    finally:
        practice.backup.stop_keeper()
    assert goes and [(g["run"], g["strands"]) for g in goes] == [
        (old["run"], {"from": old["finished"], "until": new["finished"]}) for new, old in zip(listed, listed[1:])], goes
    argv = [paths.CLI, "--config", practice.backup.config, "backups", "delete", listed[-1]["run"]]
    asked = process.run(argv, input="no\n", env={"LANG": "C"}, check=False)
    assert asked.returncode == 2 and "With it goes every second from" in asked.stdout, asked
    assert runs(practice) == listed
    assert "no second from" in process.run([*argv, "--yes"], env={"LANG": "C"}).stdout
    assert runs(practice)[-1]["strands"]["from"] == listed[-2]["finished"]


def test_the_keeper_proves_and_makes_a_backup_due_when_the_chain_is_broken(practice):
    """By itself after a backup; the status says from when to when; a broken chain is a finding, and its cure begins at once."""
    b = practice.backup
    backup(practice)
    b.set("backup", idle_for="15s")
    b.start_keeper()
    try:
        b.cli("backup", "--now")
        process.wait_until(lambda: b.runs("prove"), 60, "the keeper proves")
        status = b.call("status")
        assert status["last_chain"]["exit"] == 0 and not [f for f in status["findings"] if f["code"].startswith("chain")]
        assert "is proven" in process.run([paths.CLI, "--config", b.config, "status"], env={"LANG": "C"}, check=False).stdout
        practice.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('x'); SET SQL_LOG_BIN=0; DELETE FROM load_db.kontakt LIMIT 1")
        assert "is not what" in b.cli("drill", "--chain", "--live", exit=6).stdout
        status = b.call("status")
        assert [f["level"] for f in status["findings"] if f["code"] == "chain-broken"] == ["bad"]
        assert status["pending"] and not status["pending"]["by_hand"]
        process.wait_until(lambda: len(b.runs("backup")) == 2 and len(b.runs("prove")) == 3, 120, "a fresh backup, and its proof")
        assert b.runs("prove")[0]["exit"] == 6  # what was deleted lies in between
        b.cli("backup", "--now")
        process.wait_until(lambda: (b.call("status")["job"] or {}).get("kind") == "prove", 30, "the proof has begun")
        b.cli("drill")  # asked for over the keeper: the proof makes way
        process.wait_until(lambda: (b.call("status")["job"] or {}).get("kind") == "prove", 60, "it is made up for")
        b.job("drill")  # without the keeper
        process.wait_until(lambda: b.runs("prove")[0]["exit"] == 0, 60, "the keeper proves")
        assert not [f for f in b.call("status")["findings"] if f["code"].startswith("chain")]
    finally:
        b.stop_keeper()


def test_a_timeline_that_began_with_a_gap(practice):
    """The server removed what had not been archived: broken, though a newer backup and its log are whole. Begun anew on purpose: nothing to prove."""
    practice.stream.stop()
    practice.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('weg'); FLUSH BINARY LOGS; FLUSH BINARY LOGS")

    def purged():  # not while the server still reads one for the stream that has gone
        newest = practice.server.sql("SHOW MASTER STATUS")[0][0]
        practice.server.sql(f"PURGE BINARY LOGS TO '{newest}'")
        return [row[0] for row in practice.server.sql("SHOW BINARY LOGS")] == [newest]
    process.wait_until(purged, 20, "the old logs are removed")
    practice.stream.start(settled=False)
    backup(practice)
    assert "timeline 2: gap" in prove(practice, exit=6)["error"]
    practice.stream.stop()
    practice.server.sql("RESET MASTER")
    practice.stream.start()
    backup(practice)
    nothing(practice, "does not lie before that point on timeline 3")
