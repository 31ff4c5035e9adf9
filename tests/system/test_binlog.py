"""The server's binary log, archived byte for byte as it is written: docs/pitr.md."""
import json
import os
import pathlib
import re
import subprocess
import threading

import pytest
from lib import paths, process
from lib.backup import Backup, moment
from lib.binlog import ARGS, Stream, masked, same, server_file
from lib.mariadb import MariaDB


@pytest.fixture(scope="module")
def logging_server(session_folder, template):
    server = MariaDB(session_folder / "binlog-server", template, args=ARGS).start()
    server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200))")
    yield server
    server.stop()


@pytest.fixture
def stream(folder, logging_server):
    backup = Backup(folder, logging_server, options={"binlog": {"archive": "yes"}}).account()
    stream = Stream(backup)
    yield stream
    stream.stop()


def write(server, n=20, text="x"):
    server.sql("".join(f"INSERT INTO load_db.t (v) VALUES ('{text}{i}');" for i in range(n)))


def test_every_byte(stream, logging_server):
    stream.start()
    write(logging_server)
    logging_server.sql("FLUSH BINARY LOGS")
    write(logging_server)
    stream.caught_up()
    files = [row[0] for row in logging_server.sql("SHOW BINARY LOGS")][-2:]
    assert all(same(stream, 1, name) for name in files)
    stream.stop()
    first = [i for i in stream.indices() if i["file"] == files[0]]
    assert [i["file_ends"] for i in first] == [True] and not first[0]["open"] and first[0]["stored"].endswith(".gz")
    assert first[0]["groups"] >= 20 and first[0]["reason"] == "first"


def settle(stream, timeline=1):
    """Everything until now is archived, in that timeline."""
    process.wait_until(lambda: stream.timelines()[-1:] == [timeline], 30, f"timeline {timeline}")
    stream.caught_up()
    return stream.timelines()[-1]


def test_stopped_at_any_point_it_goes_on_without_a_hole(stream, logging_server):
    """Killed under load, again and again, in the middle of whatever it does."""
    stream.start()
    name = logging_server.sql("SHOW MASTER STATUS")[0][0]
    done = threading.Event()

    def load():
        while not done.is_set():
            write(logging_server, 30)
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for i in range(6):
            have = len(stream.have(1, name)) if stream.indices() else 0
            stream.kill()
            stream.start(settled=False)
            process.wait_until(lambda: len(stream.have(1, name)) > have, 30, "the stream goes on")
    finally:
        done.set()
        thread.join()
    assert settle(stream) == 1
    assert same(stream, 1, name)


def test_a_server_that_restarts_or_crashes_goes_on_in_the_same_timeline(stream, logging_server):
    stream.start()
    for end in (logging_server.stop, logging_server.kill):
        write(logging_server)
        stream.caught_up()
        before = logging_server.sql("SHOW MASTER STATUS")[0][0]
        end()
        logging_server.start()
        write(logging_server)
        assert settle(stream) == 1
        assert same(stream, 1, before)
    assert same(stream, 1, logging_server.sql("SHOW MASTER STATUS")[0][0])


def test_a_transaction_that_a_crash_cut_off(stream, logging_server):
    """The file as a crash in the middle of its write leaves it: a transaction begins and never ends. The server takes it back and gives its number again: that is no gap."""
    stream.start()
    write(logging_server)
    stream.stop()
    name = logging_server.sql("SHOW MASTER STATUS")[0][0]
    write(logging_server, 1)
    gtid = logging_server.value("SELECT @@gtid_binlog_pos")
    end, = [int(row[1]) for row in logging_server.sql(f"SHOW BINLOG EVENTS IN '{name}'")[-1:]]
    logging_server.kill()
    os.truncate(pathlib.Path(logging_server.datadir) / name, end)  # without its last event, the commit
    logging_server.start()
    write(logging_server, 1)
    assert logging_server.value("SELECT @@gtid_binlog_pos") == gtid
    stream.start(settled=False)
    assert settle(stream) == 1
    assert all(same(stream, 1, file) for file in (name, logging_server.sql("SHOW MASTER STATUS")[0][0]))


def test_a_domain_that_is_deleted_begins_a_timeline(stream, logging_server):
    """FLUSH BINARY LOGS DELETE_DOMAIN_ID: what the next file says was committed before it is less than what is archived, as after a gap."""
    stream.start()
    logging_server.sql("SET gtid_domain_id=7; INSERT INTO load_db.t (v) VALUES ('seven'); SET gtid_domain_id=0; FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    assert settle(stream) == 1
    newest = logging_server.sql("SHOW MASTER STATUS")[0][0]
    process.wait_until(lambda: logging_server.sql(f"PURGE BINARY LOGS TO '{newest}'") == [] and len(logging_server.sql("SHOW BINARY LOGS")) == 1, 30, "the older files are gone")
    logging_server.sql("FLUSH BINARY LOGS DELETE_DOMAIN_ID=(7)")
    write(logging_server, 1)
    assert settle(stream, 2) == 2 and stream.lines("timeline")[-1]["reason"] == "gap"
    assert same(stream, 2, logging_server.sql("SHOW MASTER STATUS")[0][0])


def test_the_same_names_with_other_contents_are_a_new_timeline(stream, logging_server):
    stream.start()
    write(logging_server)
    stream.caught_up()
    name = logging_server.sql("SHOW BINARY LOGS")[0][0]
    end = logging_server.sql("SHOW MASTER STATUS")[0][0]
    old = stream.have(1, end)
    for lengths in (5, 60):  # shorter than what is archived, and longer
        stream.stop()
        before = stream.timelines()[-1]
        kept = {i["sha256"] for i in stream.indices()}
        process.wait_until(lambda: logging_server.value("SELECT UNIX_TIMESTAMP()") > max(i["created"] for i in stream.indices()), 5, "another second")
        logging_server.sql("RESET MASTER")
        write(logging_server, lengths)
        stream.start(settled=False)
        assert settle(stream, before + 1) == before + 1
        assert stream.lines("timeline")[-1]["reason"] == "reset"
        newest = logging_server.sql("SHOW MASTER STATUS")[0][0]
        assert same(stream, before + 1, newest)
        assert kept <= {i["sha256"] for i in stream.indices()}, "something older was overwritten"
        # what the old one left open is closed: compressed, and encrypted where archives are
        assert {i["timeline"] for i in stream.indices() if i["open"]} == {before + 1}
        assert {path.parent.name for path in stream.root.glob("*/*.open")} == {f"{before + 1:04}"}
        assert before > 1 or stream.have(1, end) == old
    assert len(old) > 4 and name
    stream.stop()
    left = next(stream.root.glob("0001/*.gz")).with_suffix(".open")  # killed before it was removed
    left.write_bytes(b"clear")
    stream.start(settled=False)
    process.wait_until(lambda: not left.exists(), 20, "it goes")


def test_a_folder_that_is_nobodys_does_not_end_it(stream, logging_server):
    """Empty folders on the medium, whatever their number, and indices that nobody vouches for: the next timeline has a place."""
    stream.start()
    write(logging_server)
    # and an event that says that it is of the future does not say that everything until then is safe
    logging_server.sql("SET timestamp=2000000000; INSERT INTO load_db.t (v) VALUES ('f')")
    stream.caught_up()
    process.wait_until(lambda: stream.lines("binlog")[-1]["position"] == logging_server.sql("SHOW MASTER STATUS")[0][1], 20, "it is told")
    assert all(moment(line["saved"]) < 1990000000 for line in stream.lines("binlog"))
    stream.stop()
    for number in ("999999999", "9999", "0002", "0003"):
        (stream.root / number).mkdir()
    (stream.root / "0002" / "strange.json").write_text("{}")
    process.wait_until(lambda: logging_server.value("SELECT UNIX_TIMESTAMP()") > max(i["created"] for i in stream.indices() if i), 5, "another second")
    logging_server.sql("RESET MASTER")
    write(logging_server)
    stream.start(settled=False)
    name = logging_server.sql("SHOW MASTER STATUS")[0][0]
    process.wait_until(lambda: any(i.get("timeline") == 3 for i in stream.indices()), 30, "the next timeline")
    stream.stop()
    stream.start(settled=False)
    write(logging_server)
    written = logging_server.sql("SHOW MASTER STATUS")[0][1]
    (stream.root / "0002" / "strange.json").unlink()
    process.wait_until(lambda: len(stream.have(3, name)) >= written and same(stream, 3, name), 30, "it goes on there")
    assert [line["timeline"] for line in stream.lines("timeline")] == [1, 3]


def test_what_the_server_removed_is_a_gap_and_said(stream, logging_server):
    stream.start()
    write(logging_server)
    stream.stop()
    for _ in range(3):
        write(logging_server)
        logging_server.sql("FLUSH BINARY LOGS")
    newest = logging_server.sql("SHOW MASTER STATUS")[0][0]

    def purged():  # not while the server still reads one for the stream that has gone
        logging_server.sql(f"PURGE BINARY LOGS TO '{newest}'")
        return [row[0] for row in logging_server.sql("SHOW BINARY LOGS")] == [newest]
    process.wait_until(purged, 20, "the old logs are removed")
    write(logging_server)
    stream.start(settled=False)
    assert settle(stream, 2) == 2
    assert stream.lines("timeline")[-1]["reason"] == "gap"
    assert same(stream, 2, logging_server.sql("SHOW MASTER STATUS")[0][0])


def test_other_bytes_at_the_same_place_are_noticed(stream, logging_server):
    """A snapshot of the machine that was put back: same file, same beginning, another end."""
    stream.start()
    write(logging_server, 5, text="a" * 50)
    stream.caught_up()
    stream.stop()
    index = next(iter(sorted(stream.root.glob("0001/*.json"))[-1:]))
    head = index.read_text()
    assert json.loads(head)["open"]
    # the archive says that its last event was another one: sealed, as if it had come so
    changed = head.replace(json.loads(head)["last_sha256"], "0" * 64)
    index.write_text(changed)
    reseal(stream.backup, index)
    write(logging_server, 5)
    stream.start(settled=False)
    assert settle(stream, 2) == 2 and stream.lines("timeline")[-1]["reason"] == "changed"
    assert same(stream, 2, logging_server.sql("SHOW MASTER STATUS")[0][0])


def reseal(backup, path):
    from lib import paths
    process.run([paths.BUILD / "tests" / "tools" / "archive-tool", "reseal-binlog", "--state-dir", backup.state, path])


@pytest.mark.parametrize("what", ["index", "bytes"])
def test_nothing_that_was_tampered_with_counts(stream, logging_server, what):
    stream.start()
    write(logging_server)
    stream.caught_up()
    stream.stop()
    index = sorted(stream.root.glob("0001/*.json"))[-1]
    if what == "index":
        index.write_text(index.read_text().replace('"groups":', '"groups":1'))
    else:
        path = index.parent / json.loads(index.read_text())["stored"]
        data = bytearray(path.read_bytes())
        data[-10] ^= 1
        path.write_bytes(data)
    stream.start(settled=False)
    assert settle(stream, 2) == 2
    assert same(stream, 2, logging_server.sql("SHOW MASTER STATUS")[0][0])


def test_a_full_disk_is_waited_for(stream, logging_server, folder):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    small = folder / "small"
    small.mkdir()
    process.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small])
    try:
        stream.backup.set("archive", folder=small)
        stream.backup.archives = small
        stream.start()
        write(logging_server, 20, text="y" * 150)
        ballast = small / "ballast"
        fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError):
            while True:
                os.write(fd, b"0" * 4096)
        os.close(fd)
        write(logging_server, 60, text="z" * 150)
        process.wait_until(lambda: any(line.get("code") == "ENOSPC" for line in stream.lines("binlog")), 30, "the full disk is told")
        ballast.unlink()
        assert settle(stream) == 1
        assert same(stream, 1, logging_server.sql("SHOW MASTER STATUS")[0][0])
    finally:
        stream.stop()
        process.run(["umount", small])


def recipient(stream, folder):
    key = process.run(["age-keygen"]).stdout
    (folder / "key").write_text(key)
    (folder / "key").chmod(0o600)
    public = next(line.split()[-1] for line in key.splitlines() if "public key" in line)
    stream.backup.set("archive", recipients=public)


def in_clear(stream, word):
    return [path.name for path in stream.root.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_what_is_being_written_is_encrypted_where_archives_are(stream, logging_server, folder):
    """Nothing on the medium is in clear at any time; a stream that was killed closes what it left and goes on behind it."""
    stream.start()
    write(logging_server, text="vorher")
    stream.caught_up()
    assert in_clear(stream, b"vorher0"), "archives were not encrypted then"
    stream.stop()
    recipient(stream, folder)
    stream.start()
    write(logging_server, 200, text="Geheimnis")
    stream.caught_up()
    index = stream.indices()[-1]
    path = stream.root / "0001" / index["stored"]
    assert index["open"] and index["encrypted"] and in_clear(stream, b"Geheimnis") == in_clear(stream, b"vorher") == []
    name = index["file"]
    theirs = (pathlib.Path(logging_server.datadir) / name).read_bytes()[index["from"]:index["to"]]
    assert b"Geheimnis199" in theirs and path.stat().st_size >= len(theirs)
    key = process.run(["sh", "-c", f"age -d -i {folder}/key {path}.key.age | od -An -v -tx1 | tr -d ' \\n'"]).stdout
    assert len(key) == 64
    stock = subprocess.run(["openssl", "enc", "-d", "-chacha20", "-K", key, "-iv", "0" * 32, "-in", path], stdout=subprocess.PIPE, check=True).stdout
    assert stock[:len(theirs)] == theirs
    stream.kill()
    stream.start(settled=False)
    write(logging_server, text="danach")
    stream.caught_up()
    mine = [i for i in stream.indices() if i["file"] == name]
    assert stream.timelines() == [1] and [i["open"] for i in mine][-1] is True and not any(i["open"] for i in mine[:-1])
    assert not path.exists() and not path.with_name(path.name + ".key.age").exists() and in_clear(stream, b"Geheimnis") == []
    data = b"".join(plain(stream, folder, i) for i in sorted(mine[:-1], key=lambda i: i["from"]))
    assert masked(data) == masked((pathlib.Path(logging_server.datadir) / name).read_bytes()[:len(data)]) and b"Geheimnis199" in data


def plain(stream, folder, index):
    path = stream.root / f"{index['timeline']:04}" / index["stored"]
    opened = ["sh", "-c", f"age -d -i {folder}/key {path} | gzip -dc" if index["encrypted"] else f"gzip -dc {path}"]
    return subprocess.run(opened, stdout=subprocess.PIPE, check=True).stdout


def test_an_open_segment_whose_key_is_gone_stays_and_the_stream_goes_on(stream, logging_server, folder):
    """Another machine, or a state folder that was lost: the identity still opens it."""
    recipient(stream, folder)
    stream.start()
    write(logging_server, text="Geheimnis")
    stream.caught_up()
    stream.kill()
    (stream.backup.state / "binlog-open.key").unlink()
    stream.start(settled=False)
    write(logging_server, text="danach")
    stream.caught_up()
    assert stream.timelines() == [1] and [i["open"] for i in stream.indices()][-2:] == [True, True]
    assert any("only an identity opens it" in line.get("text", "") for line in stream.lines())


def test_closed_segments_are_encrypted_where_archives_are(stream, logging_server, folder):
    recipient(stream, folder)
    stream.start()
    write(logging_server, text="Geheimnis")
    name = logging_server.sql("SHOW MASTER STATUS")[0][0]
    logging_server.sql("FLUSH BINARY LOGS")
    settle(stream)
    index = next(i for i in stream.indices() if i["file"] == name)
    path = stream.root / "0001" / index["stored"]
    assert index["encrypted"] and path.suffix == ".age" and not list(path.parent.glob(f"{name}*.open"))
    plain = process.run(["sh", "-c", f"age -d -i {folder}/key {path} | gzip -dc | sha256sum"]).stdout.split()[0]
    assert plain == index["sha256"]


def test_a_server_that_cannot_be_followed_says_what_to_set(folder, server):
    stream = Stream(Backup(folder, server, options={"binlog": {"archive": "yes"}}).account()).start(settled=False)
    try:
        process.wait_until(lambda: stream.lines("binlog"), 20, "the reason")
        assert "elexgate doctor" in stream.lines("binlog")[0]["error"]
        assert stream.job.poll() is None
    finally:
        stream.stop()


def test_only_one_follows(stream, logging_server):
    stream.start()
    write(logging_server)
    done = stream.backup.run_job("binlog")
    assert done.returncode != 0 and str(stream.job.pid) in done.stdout


def test_backups_note_where_the_log_stood(stream, logging_server):
    backup = stream.backup
    stream.start()
    write(logging_server)
    stream.caught_up()
    before = logging_server.sql("SHOW MASTER STATUS")[0][:2]
    files = [next(a["file"] for a in backup.job("backup", "--now", *args)[-1]["archives"] if a["type"] == type)
             for type, args in (("elexisdb", ()), ("elexisdb-sql", ("elexisdb-sql",)))]
    gtid = logging_server.value("SELECT @@gtid_binlog_pos")
    notes = []
    for file in files:
        text = (backup.archives / file.replace(".tar.gz", ".manifest.json")).read_text()
        notes.append(json.loads(text)["server"]["binlog"])
    created = next(i["created"] for i in stream.indices() if i["file"] == before[0])
    assert notes[0] == {"file": before[0], "position": before[1], "gtids": gtid, "created": created}
    assert notes[1] == {"file": before[0], "position": before[1], "gtids": gtid, "created": 0}


def test_a_server_without_a_log_is_said_in_the_manifest(folder, server):
    server.sql("CREATE DATABASE IF NOT EXISTS load_db")
    backup = Backup(folder, server).account()
    file = backup.job("backup", "--now")[-1]["archives"][0]["file"]
    assert json.loads((backup.archives / file.replace(".tar.gz", ".manifest.json")).read_text())["server"]["binlog"] is None


def test_the_keeper_runs_it_and_says_how_far_it_is(stream, logging_server):
    backup = stream.backup
    backup.start_keeper()
    try:
        process.wait_until(lambda: backup.call("status")["binlog"].get("state") == "following", 20, "the stream follows")
        write(logging_server)
        stream.caught_up()
        assert moment(backup.call("status")["binlog"]["saved"]) > 0
        assert re.search(r"^Every second +saved up to (< )?\d+ s ago$", sentence(backup), re.MULTILINE)
        pid = process.wait_until(lambda: job_of(backup), 5, "the job")
        os.kill(pid, 9)
        process.wait_until(lambda: job_of(backup) not in (None, pid), 30, "it is started again")
        write(logging_server)
        stream.caught_up()
        # it stands still: said at once, and a message goes out after five minutes (test_health.c)
        logging_server.sql("REVOKE REPLICATION SLAVE ON *.* FROM elexgate@localhost")
        try:
            for row in logging_server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND='Binlog Dump'"):
                logging_server.sql(f"KILL {row[0]}")
            process.wait_until(lambda: re.search(r"^Every second +STANDS STILL, saved up to .+: .*REPLICATION SLAVE", sentence(backup), re.MULTILINE), 30,
                               "it is said that the stream stands still, and why")
            assert "binlog-stopped" in [finding["code"] for finding in backup.call("status")["findings"]]
        finally:
            logging_server.sql("GRANT REPLICATION SLAVE ON *.* TO elexgate@localhost")
        process.wait_until(lambda: backup.call("status")["binlog"].get("state") == "following", 30, "it goes on")
        backup.set("binlog", archive="no")
        backup.call("reload")
        process.wait_until(lambda: not job_of(backup), 20, "it ends")
        assert backup.call("status")["binlog"] is None
    finally:
        backup.stop_keeper()
    assert same(stream, 1, logging_server.sql("SHOW MASTER STATUS")[0][0])


def sentence(backup):
    """What elexgate status says; without a proxy its exit code is another one."""
    return process.run([paths.CLI, "--config", backup.config, "status"], check=False).stdout


def job_of(backup):
    """The pid that holds the lock, as it says in there."""
    from lib.process import run
    done = run(["fuser", backup.state / "binlog.lock"], check=False)
    return int(done.stdout.split()[0]) if done.stdout.split() else None


def test_it_is_listed_verified_and_kept_as_long_as_a_backup_needs_it(stream, logging_server):
    backup = stream.backup
    backup.set("retention", keep=2)
    stream.start()
    for _ in range(3):
        write(logging_server)
        backup.job("backup", "--now")
        logging_server.sql("FLUSH BINARY LOGS")
        write(logging_server)
        logging_server.sql("FLUSH BINARY LOGS")
    stream.caught_up()
    begins = [json.loads(path.read_text())["server"]["binlog"]["file"] for path in sorted(backup.archives.glob("elexisdb_*.manifest.json"))]
    assert len(begins) == 2
    files = [i["file"] for i in stream.indices()]
    assert min(files) == min(begins), "segments that no backup needs are still there, or needed ones are not"
    listed = json.loads(backup.run_job("list").stdout.splitlines()[-1])
    assert listed["binlog_problem"] is None
    assert [(t["timeline"], t["gaps"]) for t in listed["binlog"]] == [(1, 0)] and listed["binlog"][0]["segments"] == len(files)
    assert "binary log, timeline 1" in backup.cli("backups").stdout
    done = backup.run_job("verify", "--all")
    assert done.returncode == 0 and json.loads(done.stdout.splitlines()[-1])["binlog"]["checked"] == len(files) - 1, done.stdout[-500:]
    # what is missing in between is missed, what is damaged is found
    victims = [i for i in stream.indices() if not i["open"]]
    path = stream.root / "0001" / victims[1]["stored"]
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    done = backup.run_job("verify", "--all")
    assert done.returncode == 6 and victims[1]["stored"] in done.stdout
    for name in (path, path.parent / victims[1]["stored"].replace(".gz", ".json")):
        name.unlink()
    listed = json.loads(backup.run_job("list").stdout.splitlines()[-1])
    assert listed["binlog"][0]["gaps"] == 1
    # and an age cuts earlier
    backup.set("retention", keep_binlog="1s")
    process.wait_until(lambda: logging_server.value("SELECT UNIX_TIMESTAMP()") > max(i["ends"] for i in stream.indices()) + 1, 10, "they are old enough")
    backup.job("backup", "--now")
    left = stream.indices()
    assert len({i["file"] for i in left}) == 1 and left[-1]["open"]


def day(stream, server):
    """A backup, and log behind it that only it needs; what is archived then."""
    stream.start()
    server.sql("FLUSH BINARY LOGS")
    stream.caught_up()
    stream.backup.job("backup", "--now")
    for _ in range(2):
        write(server)
        server.sql("FLUSH BINARY LOGS")
    stream.caught_up()
    return closed(stream)


def closed(stream):
    return sorted(path for path in stream.root.glob("*/*.json") if path.name != "strange.json" and not json.loads(path.read_text())["open"])


def test_nothing_goes_while_what_is_there_cannot_be_judged(stream, logging_server):
    backup = stream.backup
    backup.set("retention", keep=1)
    before = day(stream, logging_server)
    strange = stream.root / "0001" / "strange.json"
    strange.write_text("{}")
    assert "until that is put right" in backup.run_job("backup", "--now").stdout
    assert closed(stream) == before
    strange.unlink()
    text = before[-1].read_text()
    created = json.loads(text)["created"]
    before[-1].write_text(text.replace(f'"created":{created}', f'"created":{created + 86400}'))
    reseal(backup, before[-1])
    assert "in the future" in backup.run_job("backup", "--now").stdout
    assert closed(stream) == before
    before[-1].write_text(text)
    backup.job("backup", "--now")
    assert not set(closed(stream)) & set(before), "and once it is right, what no backup needs goes"


def test_a_backup_of_a_trusted_installation_keeps_its_log(stream, logging_server):
    """The state folder was lost and the old key is trusted: a restore to a moment may begin with that backup, and needs the log."""
    backup = stream.backup
    before = day(stream, logging_server)
    begins = json.loads(next(backup.archives.glob("elexisdb_*.manifest.json")).read_text())["server"]["binlog"]["file"]
    needed = [path for path in before if json.loads(path.read_text())["file"] >= begins]
    stream.stop()
    backup.set("archive", trust=json.loads(before[0].read_text())["seal"]["key"])
    backup.state.rename(backup.state.with_name("lost"))
    stream.start()
    backup.job("backup", "--now")
    assert len(needed) >= 2 and set(needed) <= set(closed(stream))


def findings(backup):
    return {line["name"]: line for line in map(json.loads, backup.run_job("doctor").stdout.splitlines()) if line.get("event") == "check"}


def test_the_doctor_names_what_the_server_lacks(folder, server, logging_server):
    lacks = findings(Backup(folder / "a", server, options={"binlog": {"archive": "yes"}}).account())
    assert not lacks["binlog"]["good"] and "binlog_format = ROW" in lacks["binlog"]["fix"]
    assert findings(Backup(folder / "b", server).account())["binlog"]["good"]
    backup = Backup(folder / "c", logging_server, options={"binlog": {"archive": "yes"}}).account()
    good = findings(backup)
    assert good["binlog"]["good"] and good["grants"]["good"] and good["binlog-expiry"]["level"] == "warning" and "binlog-base" not in good
    assert good["symbolic_links"]["level"] == "warning" and good["symbolic_links"]["fix"] == "symbolic_links = 0"
    backup.set("backup", method="dump")
    assert findings(backup)["binlog-base"]["fix"] == "set method = both in [backup]"
    backup.set("backup", method="both")
    assert "binlog-base" not in findings(backup)
    logging_server.sql("SET GLOBAL binlog_format=MIXED, GLOBAL sync_binlog=0")
    try:
        backup.set("binlog", durability="semi-sync")
        bad = findings(backup)
        assert not any(bad[name]["good"] for name in ("binlog_format", "sync_binlog", "rpl_semi_sync_master_enabled")) and "rpl_semi_sync_master_timeout" not in bad
        logging_server.sql("SET GLOBAL rpl_semi_sync_master_timeout=600000")
        wait = findings(backup)["rpl_semi_sync_master_timeout"]
        assert wait["level"] == "warning" and "600000 ms" in wait["text"] and wait["fix"] == "rpl_semi_sync_master_timeout = 10000"
    finally:
        logging_server.sql("SET GLOBAL binlog_format=ROW, GLOBAL sync_binlog=1, GLOBAL rpl_semi_sync_master_timeout=10000")
    logging_server.sql("REVOKE BINLOG MONITOR ON *.* FROM elexgate@localhost")
    assert "BINLOG MONITOR" in findings(backup)["grants"]["text"]


def test_what_anybody_wrote_is_not_archived_as_statements(folder, template):
    """They would be run again with all rights. An account with a function of its own got rights on mysql.global_priv by a restore."""
    server = MariaDB(folder / "server", template, args=[*ARGS, "--binlog-format=MIXED"]).start()
    stream = Stream(Backup(folder / "backup", server, options={"binlog": {"archive": "yes"}}).account())
    try:
        stream.start(settled=False)
        process.wait_until(lambda: [line for line in stream.lines("binlog") if "binlog_format is not ROW" in line.get("error", "")], 60, "it waits for ROW")
        assert not stream.root.exists() or stream.timelines() == []
    finally:
        stream.stop()
        server.stop()


@pytest.mark.parametrize("durability", ["async", "semi-sync"])
def test_an_event_that_the_library_cannot_read_is_archived(folder, template, durability):
    """LOAD DATA as a statement, at all sizes of its blocks: the stream does not stop for it, byte for byte, and says what it means."""
    server = MariaDB(folder / "server", template, args=[*ARGS, "--rpl-semi-sync-master-enabled=ON", "--rpl-semi-sync-master-timeout=600000", "--rpl-semi-sync-master-wait-no-slave=OFF"]).start()
    backup = Backup(folder / "backup", server, options={"binlog": {"archive": "yes", "durability": durability}}).account()
    stream = Stream(backup)
    try:
        server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100))")
        stream.start()
        for lines in (1, 20000, 100000):
            file = folder / "werte.csv"
            file.write_text("".join(f"{i};Zeile {i}\n" for i in range(lines)))
            with server.connect(local_infile=True) as c:
                c.query("SET binlog_format=STATEMENT")
                c.cursor().execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE load_db.t FIELDS TERMINATED BY ';' (@x, v)")
                c.commit()
            write(server)
        stream.caught_up()
        assert stream.timelines() == [1] and not [line for line in stream.lines("binlog") if line["state"] == "waiting"]
        name = server.sql("SHOW MASTER STATUS")[0][0]
        assert same(stream, 1, name) and len(stream.have(1, name)) == len(server_file(server, name))
        stop, = (i["stop"] for i in stream.indices() if "stop" in i)
        assert stop["kind"] == "LOAD DATA" and stop["last"] > stop["first"] > 4
        assert "LOAD DATA" in stream.lines("note")[-1]["text"]
        if durability == "semi-sync":  # the stream is away: the server waits once, goes on without it, and waits again once it is back
            stream.stop()
            server.sql("SET GLOBAL rpl_semi_sync_master_timeout=500, GLOBAL rpl_semi_sync_master_wait_no_slave=ON")
            write(server)
            assert server.status("Rpl_semi_sync_master_status") == "OFF"
            stream.start()
            process.wait_until(lambda: server.status("Rpl_semi_sync_master_status") == "ON", 30, "commits wait for the archive again")
            write(server)
            stream.caught_up()
            assert stream.timelines() == [1] and same(stream, 1, name)
    finally:
        stream.stop()
        server.stop()
