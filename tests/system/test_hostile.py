"""Dumps, data directories and archives made to harm: what an ordinary account, the medium or the server's own user could try."""
import json
import os
import pwd
import shutil

import pymysql
import pytest

from lib import paths, process, sqlfuzz
from lib.backup import PASSWORD, Backup, event
from lib.phrases import german

RIGHTS = ("CREATE OR REPLACE USER worker@localhost IDENTIFIED BY 'w'; GRANT ALL ON load_db.* TO worker@localhost")


@pytest.fixture
def backup(folder, server):
    server.sql("DROP DATABASE IF EXISTS load_db; CREATE DATABASE load_db; CREATE TABLE load_db.t (i INT PRIMARY KEY, s TEXT);"
               f"INSERT INTO load_db.t VALUES (1, 'Bern'), (2, 'Chur'); {RIGHTS}")
    return Backup(folder, server, None, {"backup": {"method": "dump"}}).account()


def routine(server, body, charset="utf8mb4"):
    """A procedure of the ordinary account, its body as bytes."""
    connection = pymysql.connect(unix_socket=server.socket, user="worker", password="w", database="load_db", charset=charset)
    try:
        with connection.cursor() as cursor:
            cursor.execute(b"CREATE OR REPLACE PROCEDURE p() BEGIN SELECT 1; " + body + b"\nEND")
    finally:
        connection.close()


# What the server stores as a comment or a string and another program could read otherwise.
BODIES = [
    pytest.param(b"--\x01 a", "utf8mb4", id="control"),
    pytest.param(b"--\x7f a", "utf8mb4", id="delete"),
    pytest.param(b"--\xa0 a", "latin1", id="blank-of-latin1"),
    pytest.param(b"/* \x02 */", "utf8mb4", id="in-a-comment"),
    pytest.param(b"SELECT '\x95\\';", "sjis", id="letters-with-backslashes"),
]


@pytest.mark.sanitize
@pytest.mark.parametrize("body,charset", BODIES)
def test_a_routine_that_is_read_in_otherwise_is_not_dumped(backup, server, body, charset):
    routine(server, body, charset)
    last = backup.job("backup", "--now", "elexisdb-sql", exit=1)[-1]
    assert "line " in last["error"] and "procedure" in last["error"] and "Zeile " in german(last, "error"), last
    assert not backup.complete("elexisdb-sql")


@pytest.mark.sanitize
def test_harmless_routines_are(backup, server):
    routine(server, b"-- ; ;; \n# ;;\n/* ;; */ SELECT ';;', \"\\\";;\", `i` FROM t WHERE i = 5--1;")
    server.sql("CREATE TRIGGER load_db.tr BEFORE INSERT ON load_db.t FOR EACH ROW BEGIN /* a; */ SET NEW.s = ';'; END")
    backup.job("backup", "--now", "elexisdb-sql")
    result, = event(backup.job("drill"), "drill")
    assert result["good"], result


OBJECTS = """
CREATE DEFINER=`gone`@`nowhere` VIEW v AS SELECT 'ä' a, t.i FROM t;
CREATE ALGORITHM=MERGE DEFINER=worker@localhost SQL SECURITY INVOKER VIEW w AS SELECT * FROM t;
CREATE DEFINER=`gone`@`%` FUNCTION f() RETURNS INT RETURN 5;
CREATE DEFINER=worker@localhost PROCEDURE p() BEGIN SELECT 1; SELECT 2; END;
CREATE DEFINER=root@localhost EVENT e ON SCHEDULE EVERY 1 YEAR DO DO 1;
CREATE DEFINER=worker@localhost TRIGGER b1 BEFORE INSERT ON t FOR EACH ROW SET NEW.s = CONCAT(NEW.s, '1');
CREATE DEFINER=root@localhost TRIGGER B1 BEFORE INSERT ON t FOR EACH ROW SET NEW.s = CONCAT(NEW.s, '2');
CREATE DEFINER=worker@localhost VIEW V AS SELECT 2 b;
SET sql_mode='ANSI_QUOTES'; CREATE DEFINER="gone"@"no""where" TRIGGER "b3" BEFORE INSERT ON t FOR EACH ROW SET NEW.s = CONCAT(NEW.s, '3');
SET sql_mode='ANSI_QUOTES'; CREATE DEFINER=worker@localhost VIEW "x""y" AS SELECT "i" FROM "t";
SET sql_mode='ORACLE'; CREATE DEFINER=worker@localhost PROCEDURE "o" AS BEGIN SELECT 1; END;
CREATE DEFINER=`gone`@`nowhere` TRIGGER b2 BEFORE INSERT ON t FOR EACH ROW SET NEW.s = CONCAT(NEW.s, 'ü');
"""
WHOSE = ("SELECT 'v', TABLE_NAME, DEFINER, SECURITY_TYPE, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA='load_db' UNION "
         "SELECT 'r', ROUTINE_NAME, DEFINER, ROUTINE_TYPE, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='load_db' UNION "
         "SELECT 'e', name, definer, sql_mode, CONVERT(body USING utf8mb4) FROM mysql.event WHERE db='load_db' UNION "
         "SELECT 't', TRIGGER_NAME, DEFINER, CONCAT(ACTION_ORDER, CHARACTER_SET_CLIENT), ACTION_STATEMENT FROM information_schema.TRIGGERS "
         "WHERE TRIGGER_SCHEMA='load_db' ORDER BY 1, 2")


@pytest.mark.sanitize
def test_everything_belongs_to_whom_it_belonged(backup, server, folder):
    """Read in by an account that may name nobody else, and put right afterwards; names that differ in their case alone are two."""
    from test_restore_into import Serving

    for statement in OBJECTS.strip().split("\n"):
        server.sql(statement, "load_db")
    # v and V are equal to the server's order, and either may come first.
    whose = sorted(server.client(["-N", "-e", WHOSE]).stdout.splitlines())
    backup.job("backup", "--now", "elexisdb-sql")
    elsewhere = folder / "elsewhere"
    backup.job("restore", "into", elsewhere, "latest")
    site = type("Site", (), {"backup": backup, "folder": folder})
    Serving(site, "--into", elsewhere).stop()
    again = Serving(site, "--into", elsewhere)
    assert sorted(again.client("mariadb", "-N", "-e", WHOSE).splitlines()) == whose
    assert again.value("SELECT COUNT(*) FROM mysql.global_priv WHERE User LIKE 'elexgate%'") == "0"
    assert again.value("INSERT INTO load_db.t VALUES (9, ''); SELECT s FROM load_db.t WHERE i = 9") == "123ü"
    again.stop()


# --- a view in a table's place, between the question what it is and the first look at it ---

def swapped_while(backup, server, *argv):
    """Runs a job. Whoever may make tables holds one; while the job waits for it, he puts a view with a function of his own into the place of
    the next. The function would run with the keeper's rights, who may execute it here, and leave a row."""
    waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata%' AND USER = 'elexgate'"
    with (server.connect("worker", "w", "load_db") as holder, holder.cursor() as hold,
          server.connect("worker", "w", "load_db") as attacker, attacker.cursor() as cursor):
        hold.execute("LOCK TABLES t WRITE")
        job = backup.start_job(*argv)
        process.wait_until(lambda: server.value(waiting), what="a job that waits for the table", timeout=60)
        cursor.execute("RENAME TABLE u TO u_")
        cursor.execute("CREATE SQL SECURITY INVOKER VIEW u AS SELECT * FROM u_ WHERE f() = 1")
        hold.execute("UNLOCK TABLES")
        lines = [json.loads(line) for line in job.communicate(timeout=300)[0].splitlines()]
    assert lines[-1]["exit"] == 0, lines[-1]
    assert server.sql("SELECT * FROM load_db.asked") == [], "his function ran"


@pytest.mark.parametrize("method", ["dump", "physical"])
def test_a_view_in_a_tables_place_runs_nothing_when_tables_are_read(backup, server, method):
    server.sql("CREATE TABLE load_db.asked (who TEXT); CREATE TABLE load_db.u (i INT PRIMARY KEY); INSERT INTO load_db.u VALUES (1), (2);"
               "CREATE FUNCTION load_db.f() RETURNS INT MODIFIES SQL DATA SQL SECURITY INVOKER "
               "BEGIN INSERT INTO load_db.asked VALUES (CURRENT_USER()); RETURN 1; END;"
               "GRANT EXECUTE, INSERT ON load_db.* TO elexgate@localhost")
    backup.set("backup", method=method)
    swapped_while(backup, server, "backup", "--now")
    result, = event(backup.job("drill"), "drill")
    assert result["good"], result
    server.sql("DROP VIEW load_db.u; RENAME TABLE load_db.u_ TO load_db.u; INSERT INTO load_db.t VALUES (3, ''); INSERT INTO load_db.u VALUES (3)")
    backup.job("backup", "--now")
    swapped_while(backup, server, "restore", "plan", "latest")


def test_a_backup_may_execute_nothing(backup, server):
    """mariadb-dump asks what a table is and then reads it. The rights on the database that a restore needs are in a role of its own."""
    server.sql("CREATE FUNCTION load_db.f() RETURNS INT SQL SECURITY INVOKER RETURN 1")
    backup.beside()
    told = lambda: [line for line in event(map(json.loads, backup.run_job("doctor").stdout.splitlines()), "check") if line["name"] == "execute"]
    assert [line["good"] for line in told()] == [True]
    with server.connect("elexgate", PASSWORD) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.MySQLError, match="1370"):
            cursor.execute("SELECT load_db.f()")
        cursor.execute("SET ROLE elexgate_restore")
        cursor.execute("SELECT load_db.f()")
    server.sql("GRANT ALL PRIVILEGES ON load_db.* TO elexgate@localhost")
    doubt, = told()
    assert doubt["level"] == "warning" and "Rolle" in german(doubt), doubt
    server.sql(doubt["fix"])
    assert [line["good"] for line in told()] == [True]


# --- the sandbox ---

def trial_gone():
    """Runs a command where the user of trials has no entry; None where this cannot be made."""
    hidden = ["unshare", "--mount", "sh", "-ec", "grep -v ^elexgate-trial: /etc/passwd > /tmp/passwd.$$; mount --bind /tmp/passwd.$$ /etc/passwd; "
              "rm /tmp/passwd.$$; exec \"$@\"", "sh"]
    return hidden if process.run([*hidden, "true"], check=False).returncode == 0 else None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_without_the_user_of_trials_nothing_is_tried_out(backup, folder):
    hidden = trial_gone()
    if not hidden:
        pytest.skip("may make no namespaces")
    backup.set("backup", method="both")
    backup.set("restore", start_command="true")
    backup.job("backup", "--now")
    for argv in (("drill",), ("restore", "run", "--dry-run", "latest", "elexisdb")):
        done = process.run([*hidden, *backup.argv(*argv)], check=False)
        last = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == 9 and "useradd" in last["error"] and "useradd" in german(last, "error"), last
    backup.set("drill", user="root")
    assert "root" in backup.job("drill", exit=9)[-1]["error"]


# What elexgate-keeper.service leaves the keeper.
AS_UNDER_SYSTEMD = ["setpriv", "--no-new-privs", "--bounding-set=-all,+dac_override,+chown,+fowner,+setuid,+setgid,+kill,+lease"]
CONFINED = paths.BUILD / "tests" / "tools" / "confined"


@pytest.mark.sanitize
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("kind", ["namespaces", "landlock", "auto, in Docker"])
def test_a_drill_in_either_sandbox(backup, folder, session_folder, kind):
    """As the unit starts it; and by itself in the other one where Docker refuses namespaces."""
    docker = "Docker" in kind
    for path in (session_folder, folder):
        path.chmod(0o711)
    scratch = folder / "d"
    scratch.mkdir(mode=0o700)
    scratch.chmod(0o700 if kind == "namespaces" else 0o711)
    backup.set("backup", method="both")
    backup.set("drill", sandbox="auto" if docker else kind, scratch=scratch)
    backup.job("backup", "--now")
    confined = [CONFINED, "docker" if docker else "unit", *AS_UNDER_SYSTEMD]
    assert not docker or process.run([*confined, "unshare", "--user", "true"], check=False).returncode != 0
    done = process.run([*confined, *backup.argv("drill")], check=False)
    assert [r["good"] for r in event([json.loads(line) for line in done.stdout.splitlines()], "drill")] == [True, True], done.stdout[-2000:]
    if kind == "landlock":
        scratch.chmod(0o700)
        assert "o+x" in backup.job("drill", exit=1)[-1]["error"]


@pytest.mark.sanitize
def test_nothing_is_tried_out_where_others_can_change_it(backup, folder):
    """By itself off the medium; and an admin's folder only if nobody else can put something else there between the look and the use."""
    backup.job("backup", "--now")
    theirs = backup.archives / ".elexgate-drill"
    theirs.mkdir()
    backup.job("drill")
    assert theirs.exists() and not list(backup.state.with_name("state-scratch").iterdir())
    for mode, owner, above in ((0o777, None, None), (0o770, None, None), (0o755, 65534, None), (0o755, None, 0o777)):
        if owner and os.geteuid() != 0:
            continue
        scratch = folder / f"above{above}" / f"d{mode:o}{owner}"
        scratch.mkdir(parents=True)
        scratch.chmod(mode)
        if owner:
            os.chown(scratch, owner, owner)
        if above:
            scratch.parent.chmod(above)
        backup.set("drill", scratch=scratch)
        last = backup.job("drill", exit=1)[-1]
        assert "[drill] scratch" in last["error"] and "other" in last["error"], last
        assert not list(scratch.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_program_may_lie_where_nobody_else_gets_through(backup, folder):
    """Built as root in a home of mode 0700: the user of trials runs it all the same, to read SQL in."""
    private = folder / "private"
    private.mkdir(mode=0o700)
    program = shutil.copy(paths.JOB, private)
    backup.job("backup", "--now")
    done = process.run([program, "--config", backup.config, "drill"], check=False)
    assert done.returncode == 0, done.stdout[-2000:]


# --- our reading of SQL beside the client's and the server's ---

CORPUS = paths.ROOT / "tests" / "fuzz" / "backup" / "corpus"


@pytest.mark.sanitize
def test_the_client_and_the_server_cut_as_we_do(make_server):
    """The short form of scripts/fuzz-sql: the lexer's corpora, then a hundred texts that are made up."""
    judge = sqlfuzz.Judge(server := make_server())
    try:
        for path in sorted([*(CORPUS / "sql_lexer").iterdir(), *(CORPUS / "sql_scan").iterdir()]):
            assert judge.check(path.read_bytes()) is None, path.name
        assert judge.accepted >= 5 and judge.refused >= 5
    finally:
        judge.close()
    judge, wrong = sqlfuzz.campaign(server, 14, lambda j: j.cases >= 100)
    assert not wrong and judge.accepted > 10 and judge.refused > 10, wrong


# --- what somebody could put on the medium ---

@pytest.mark.sanitize
@pytest.mark.parametrize("kind", ["manifest.json", "status.json", "tar.gz", "manifest.json.age"])
def test_a_pipe_in_a_files_place_keeps_nobody_waiting(backup, kind):
    """Whoever opens a FIFO waits for somebody to write to it."""
    backup.job("backup", "--now")
    run, = backup.complete("elexisdb-sql")
    path = backup.archives / f"elexisdb-sql_{run['run']}.{kind}"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for argv in (["list"], ["verify"], ["drill"], ["restore", "plan", "latest"], ["backup", "--now"]):
        assert backup.run_job(*argv, timeout=60).returncode in (0, 1, 6, 9), argv

# --- what the user of trials could plant while a server runs ---

PLANTS = {
    "link": "symlink('{victim}', 'planted')",
    "folder link": "symlink('{folder}', 'mysql/planted')",
    "second name": "link('{folder}/open/victim', 'planted') || link('ibdata1', 'mysql/planted')",
    "set-id": "open(F, '>planted') && chmod(06777, 'planted')",
    "fifo": "require POSIX; POSIX::mkfifo('planted', 0666)",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_series_a_program_is_of_is_asked_where_nothing_is(backup, folder, session_folder):
    """--version as well is run as a trial is: in a sandbox, and not as root."""
    for path in (session_folder, folder):
        path.chmod(0o711)
    (folder / "open").mkdir(mode=0o777)
    (folder / "open").chmod(0o777)
    program = folder / "server"
    program.write_text(f"#!/usr/bin/perl\nopen(F, '>{folder}/open/asked');\nprint 'mariadbd  Ver 99.1.', $<, \"-MariaDB for Linux\\n\";\n")
    program.chmod(0o755)
    backup.set("drill", server_program=program)
    told = next(line for line in event(map(json.loads, backup.run_job("doctor").stdout.splitlines()), "check") if line["name"] == "series")
    assert f"is MariaDB 99.1.{pwd.getpwnam('elexgate-trial').pw_uid}-MariaDB" in told["text"], told
    assert not (folder / "open" / "asked").exists()


@pytest.mark.sanitize
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("plant", PLANTS)
def test_what_a_server_on_trial_plants_goes_nowhere(backup, folder, session_folder, plant):
    """[drill] server_program stands for a server that was taken over: it plants, then is mariadbd."""
    for path in (session_folder, folder):
        path.chmod(0o711)
    victim = folder / "open" / "victim"
    victim.parent.mkdir(mode=0o777)
    victim.parent.chmod(0o777)
    victim.write_text("x")
    victim.chmod(0o666)
    program = folder / "server"
    program.write_text("#!/usr/bin/perl\nunless (grep { $_ eq '--version' } @ARGV) {\n" + PLANTS[plant].format(victim=victim, folder=folder) + ";\n}\nexec('mariadbd', @ARGV);\n")
    program.chmod(0o755)
    backup.set("backup", method="physical")
    backup.set("restore", start_command="true")
    backup.job("backup", "--now")
    backup.set("drill", server_program=program)
    done = backup.run_job("restore", "run", "--dry-run", "latest", "elexisdb")
    last = json.loads(done.stdout.splitlines()[-1])
    harmless = plant in ("set-id", "fifo")
    assert (done.returncode == 0) == harmless and ("planted" in last.get("error", "")) != harmless, last
    assert (victim.stat().st_uid, victim.stat().st_mode & 0o7777, victim.stat().st_nlink) == (0, 0o666, 1)
