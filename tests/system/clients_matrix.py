"""The matrix of real clients: builds the programs of tests/clients, runs them, and knows what they should answer.

    programs = build_programs()                      once; compiled results are kept in the build folder
    results = run(programs["mysqli"], target, tag, ["query", "prepared"], server)
    results["query"]  ->  {"results": [[["1", "abc", None]]]}

A Target is a way to the database: the server's own TLS, or a listener of the gate. tests/clients/README.md is the
contract of the programs.
"""
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import threading

import pymysql

from lib import mariadb, paths, process
from lib.gate import Gate

SOURCES = paths.ROOT / "tests" / "clients"
CONNECTOR_J = pathlib.Path("/usr/share/java/mariadb-java-client.jar")
PYTHON = "/usr/bin/python3"
DATABASE = "elx_clients"
PASSWORD = "elx-Pass word-1"

Target = collections.namedtuple("Target", "name host port ca wrong_ca tls")
Target.__new__.__defaults__ = ("required",)

Program = collections.namedtuple("Program", "name argv env")


# What each client can do. A scenario that is not listed for a client does not exist in that client's interface (or
# not in a way that says anything about the wire).
EVERY = ["tls", "wrong_ca", "plaintext", "wrong_password", "query"]
USUAL = [*EVERY, "unknown_database", "server", "prepared", "transaction", "blob", "packets", "rows", "sleep", "cancelled", "kill_idle",
         "umlauts", "multi", "call", "local_infile", "session_vars", "attributes", "bulk", "sql_error"]
SECOND = f"change_user:elx_second:{PASSWORD}"
SCENARIOS = {
    "mariadb": [*(s for s in USUAL if s != "kill_idle"), "compress", "progress"],
    "mariadb-dump": [*EVERY, "compress"],
    "libmariadb": [*USUAL, "cursor", "reset", "compress", "progress", SECOND],
    "connector-j": [*USUAL, "cursor", "reset", "compress", "rewrite", "pipeline", "pipeline_prepared"],
    "mysql2": [*USUAL, "reset", "compress", SECOND],
    "mysql": [*(s for s in USUAL if s != "attributes"), SECOND],
    "mariadb-npm": [*USUAL, "reset", "compress", "pipeline", SECOND],
    "pymysql": USUAL,
    "mysqli": [*USUAL, "cursor", "compress", SECOND],
    "pdo": [*USUAL, "compress"],
    "dbd-mariadb": [*USUAL, "compress"],
}
# Who compares the certificate's names with the host.
CHECKS_NAME = set(SCENARIOS) - {"mysql"}
# What is built on MariaDB's library for C.
CONNECTOR_C = {"mariadb", "mariadb-dump", "libmariadb", "dbd-mariadb"}

# Long ones, which say nothing more when they are repeated on every way.
ONCE = {"packets", "progress"}
# Connector/J and npm mariadb take the announced 5.6 at its word and do not send COM_RESET_CONNECTION.
NO_RESET = {"connector-j", "mariadb-npm"}


def scenarios(way, client):
    """What a client is asked to do on one of the WAYS."""
    without = ONCE if way != "gate" else set()
    if way == "gate-elexis" and client in NO_RESET:
        without = without | {"reset"}
    return [s for s in SCENARIOS[client] if s not in without]


TEXT = "Grüezi Zürich ÄÖÜß éà € 😀"
EXPECTED = {
    "query": {"results": [[["1", "abc", None]]]},
    "multi": {"results": [[["1"]], [["2", "zwei"]], [["3"]]]},
    "call": {"results": [[["1", "eins"], ["2", "zwei"]], [["3", "drei"]]]},
    "prepared": {"rows": [["2000000014", "Text 2 ü", "2.5"], ["3000000021", None, "3.5"]]},
    "transaction": {"after_rollback": "0", "after_commit": "1"},
    "rows": {"count": 100000, "sum": 5000050000, "last": "row 100000"},
    "umlauts": {"text": TEXT, "hex": TEXT.encode().hex().upper()},
    "local_infile": {"results": [[["60000", "1800030000", "44"]]]},
    "session_vars": {"results": [[["4242", "ANSI_QUOTES"]]]},
    "bulk": {"results": [[["1000", "500500"]]]},
    "reset": {"before": "42", "after": None},
    "progress": {"reported": True},
    "cursor": {"count": 2500, "sum": 3126250},
}
EXPECTED["rewrite"] = EXPECTED["pipeline_prepared"] = EXPECTED["bulk"]


class Files:
    """What clients send: a 20 MB blob that does not compress, and a text file for LOAD DATA LOCAL."""

    def __init__(self, folder):
        self.blob = folder / "blob.bin"
        data = random.Random(1).randbytes(20 * 1000 * 1000)
        self.blob.write_bytes(data)
        self.blob_sha256 = hashlib.sha256(data).hexdigest()
        self.infile = folder / "infile.txt"
        self.infile.write_text("".join(f"{i}\t{'Wort' * 11}\n" for i in range(1, 60001)))


def _cached(name, sources, build):
    """A folder under the build folder, made anew by build(folder) when a source has changed."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(pathlib.Path(source).read_bytes())
    folder = paths.BUILD / "clients" / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        # Made beside and renamed, so that two runs at once do not see half of it.
        making = folder.with_name(f"{folder.name}.{os.getpid()}")
        making.mkdir(parents=True)
        build(making)
        try:
            making.rename(folder)
        except OSError:
            shutil.rmtree(making)
    return folder


def _java(folder):
    process.run(["javac", "-Xlint:all,-path", "-Werror", "-encoding", "UTF-8", "-cp", CONNECTOR_J, "-d", folder,
                 SOURCES / "java" / "Client.java"], timeout=120)


def _c(folder):
    flags = process.run(["pkg-config", "--cflags", "--libs", "libmariadb", "libcrypto"]).stdout.split()
    process.run(["cc", "-std=gnu17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", *sorted((SOURCES / "c").glob("*.c")), "-o",
                 folder / "client", *flags], timeout=120)


def _node(folder):
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCES / "node" / name, folder / name)
    process.run(["npm", "ci", "--ignore-scripts"], timeout=300, cwd=folder)


def node_modules():
    """The npm drivers, for $NODE_PATH."""
    return _cached("node", [SOURCES / "node" / n for n in ("package.json", "package-lock.json", ".npmrc")], _node) / "node_modules"


def build_programs():
    modules = node_modules()
    java = _cached("java", [SOURCES / "java" / "Client.java"], _java)
    libmariadb = _cached("c", sorted((SOURCES / "c").iterdir()), _c) / "client"
    node = ["node", SOURCES / "node" / "client.js"]
    at = {"NODE_PATH": str(modules)}
    cli = [PYTHON, SOURCES / "python" / "cli_client.py"]
    jvm = ["java", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", f"{java}:{CONNECTOR_J}", "Client"]
    php = ["php", "-d", "mysqli.allow_local_infile=1", SOURCES / "php" / "client.php"]
    table = [
        Program("mariadb", [*cli, "mariadb"], {}),
        Program("mariadb-dump", [*cli, "mariadb-dump"], {}),
        Program("libmariadb", [libmariadb], {}),
        Program("connector-j", jvm, {}),
        Program("mysql2", [*node, "mysql2"], at),
        Program("mysql2-1.7", [*node, "mysql2-1.7"], at),
        Program("mysql", [*node, "mysql"], at),
        Program("mariadb-npm", [*node, "mariadb"], at),
        Program("pymysql", [PYTHON, SOURCES / "python" / "pymysql_client.py"], {}),
        Program("mysqli", [*php, "mysqli"], {}),
        Program("pdo", [*php, "pdo"], {}),
        Program("dbd-mariadb", ["perl", SOURCES / "perl" / "client.pl"], {}),
    ]
    return {p.name: p for p in table}


# The ways to the database that are compared: the server's own TLS; a listener that announces the server's own version,
# backend by TCP; a listener with the default version (announce = elexis), backend by unix socket.
WAYS = ["direct", "gate", "gate-elexis"]
# Further listeners of "gate", by what they announce.
ANNOUNCED = {"8.0.36-elexgate": "mysql8", "5.7.44": "mysql5", "11.8.9-MariaDB": "mariadb11"}


# Beyond Debian's 16M, because packets longer than one frame (16 MiB) are among what the clients exchange.
LONG_PACKETS = "--max-allowed-packet=1G"


def start_server(folder, template, pki):
    server = mariadb.MariaDB(folder, template, certificate=pki.server.certificate, key=pki.server.key, args=[
        "--performance-schema=ON", "--local-infile=1", "--plugin-load-add=auth_ed25519", LONG_PACKETS])
    server.start()
    set_up(server)
    return server


def start_gates(folder, server, pki):
    """The way's name -> a running gate."""
    texts = {name: {"announce": text} for text, name in ANNOUNCED.items()}
    gates = {
        "gate": Gate(folder / "gt", server, pki, listeners={"tools": {"announce": "server"}, **texts}, backend="tcp"),
        "gate-elexis": Gate(folder / "ge", server, pki, listeners={
            "elexis": {}, "internal": {"tls": "off"}, "both": {"tls": "preferred"}}),
    }
    for gate in gates.values():
        gate.start()
    return gates


def target(way, server, gates, pki, listener=None, tls="required"):
    if way == "direct":
        port = server.port
    else:
        port = gates[way].ports[listener] if listener else gates[way].port
    return Target(way, "127.0.0.1", port, pki.ca_file, pki.other_ca_file, tls)


SETUP = f"""
CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;
USE {DATABASE};
CREATE TABLE things (id INT AUTO_INCREMENT PRIMARY KEY, client VARCHAR(80), num BIGINT, txt VARCHAR(200), val DOUBLE,
    KEY (client));
CREATE TABLE blobs (client VARCHAR(80), bin LONGBLOB);
CREATE TABLE loaded (client VARCHAR(80), n INT, word VARCHAR(100));
CREATE PROCEDURE two_results()
BEGIN
    SELECT 1, 'eins' UNION ALL SELECT 2, 'zwei';
    SELECT 3, 'drei';
END;
CREATE DATABASE elx_dump CHARACTER SET utf8mb4;
USE elx_dump;
CREATE TABLE kontakt (id VARCHAR(25) PRIMARY KEY, bezeichnung VARCHAR(200), bild LONGBLOB);
INSERT INTO kontakt SELECT seq, CONCAT('Müller ', seq), REPEAT(CHAR(seq % 256), 3000) FROM seq_1_to_500;
CREATE TABLE heap (id INT PRIMARY KEY, inhalt LONGBLOB);
INSERT INTO heap VALUES (1, REPEAT('elexis', 4000000));
CREATE SEQUENCE nummer START WITH 100;
CREATE PROCEDURE zaehle() SELECT COUNT(*) FROM kontakt;
"""


def set_up(server):
    """Databases and accounts of the matrix, by the server's own socket."""
    server.client(["--delimiter=//", "--default-character-set=utf8mb4"], input=_delimited(SETUP))
    server.add_user("elx", PASSWORD)
    server.add_user("elx_second", PASSWORD)


def _delimited(text):
    """The procedure's own semicolons must not end the statement: // ends each one instead."""
    out, inside = [], False
    for line in text.splitlines():
        inside = inside or line == "BEGIN"
        if line == "END;":
            inside = False
        out.append(line if inside or not line.endswith(";") else line[:-1] + "//")
    return "\n".join(out)


class Killer(threading.Thread):
    """Ends the statement that carries `wait TAG` (KILL) or `cancel TAG` (KILL QUERY) when it is seen: the client is in
    mid-statement then."""

    def __init__(self, server, tag):
        super().__init__(daemon=True)
        self._server, self._tag, self._end = server, tag, threading.Event()

    def run(self):
        with self._server.connect() as c, c.cursor() as cursor:
            while not self._end.wait(0.05):
                cursor.execute("SELECT ID, INFO LIKE '%%cancel%%' FROM information_schema.PROCESSLIST WHERE INFO LIKE %s",
                               (f"SELECT SLEEP(60)% {self._tag} %",))
                for number, cancel in cursor.fetchall():
                    self._kill(cursor, f"KILL {'QUERY ' if cancel else ''}{number}")

    @staticmethod
    def _kill(cursor, sql):
        try:
            cursor.execute(sql)
        except pymysql.err.OperationalError as error:
            if error.args[0] != 1094:  # it has ended in the meantime
                raise

    def end(self):
        self._end.set()
        self.join()


def command(program, target, tag, scenarios, files=None, env=None):
    """Argument list and environment of a client's process."""
    full = dict(os.environ, ELX_HOST=target.host, ELX_PORT=str(target.port), ELX_USER="elx", ELX_PASSWORD=PASSWORD,
                ELX_DATABASE=DATABASE, ELX_CA=str(target.ca), ELX_WRONG_CA=str(target.wrong_ca), ELX_TLS=target.tls,
                ELX_TAG=tag, LC_ALL="C.UTF-8", **program.env)
    if files:
        full.update(ELX_BLOB=str(files.blob), ELX_INFILE=str(files.infile))
    full.update(env or {})
    return [str(a) for a in (*program.argv, *scenarios)], full


def run(program, target, tag, scenarios, server=None, files=None, env=None, timeout=150):
    """Runs scenarios in one process of a client. Returns {scenario: result}; for what the client did not reach the
    result is an error that says so.

    server is needed for the scenarios "sleep" and "cancelled" (the statement is killed on it), files for "blob" and
    "local_infile". env: further variables, e.g. ELX_USER.
    """
    argv, full = command(program, target, tag, scenarios, files, env)
    killer = Killer(server, tag) if {"sleep", "cancelled"} & set(scenarios) else None
    if killer:
        killer.start()
    client = subprocess.Popen(argv, env=full, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, noise = client.communicate(timeout=timeout)
        end = f"ended with {client.returncode}"
    except subprocess.TimeoutExpired:
        client.kill()
        out, noise = client.communicate()
        end = f"was still not done after {timeout} s"
    finally:
        if killer:
            killer.end()
    results = {}
    for line in out.decode().splitlines():
        result = json.loads(line)
        results[result.pop("scenario")] = result
    for name in scenarios:
        results.setdefault(name, {"error": {"code": None, "message": f"{program.name} {end}; no answer to {name!r}\n"
                                            f"{noise.decode(errors='replace')[-3000:]}"}})
    return results
