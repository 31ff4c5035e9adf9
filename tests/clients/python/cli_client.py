#!/usr/bin/python3
"""Drives the stock command-line programs mariadb and mariadb-dump for the matrix: cli_client.py mariadb|mariadb-dump
SCENARIO... $ELX_CLI_PREFIX, if set, stands in front of the program's name (to run another Debian's programs). The contract
of scenarios and environment stands in ../README.md."""
import hashlib
import json
import os
import pty
import re
import subprocess
import sys

ENV = os.environ
TAG = ENV["ELX_TAG"]


class Failed(Exception):
    pass


def command(program, *args, user=None, password=None, database=None, plain=False, ca=None):
    """Its argument list and environment."""
    tls = ["--skip-ssl"] if plain or ENV["ELX_TLS"] == "off" else [
        f"--ssl-ca={ca or ENV['ELX_CA']}", "--ssl-verify-server-cert"]
    plugins = [f"--plugin-dir={ENV['ELX_PLUGIN_DIR']}"] if "ELX_PLUGIN_DIR" in ENV else []
    auth = [f"--default-auth={ENV['ELX_DEFAULT_AUTH']}"] if "ELX_DEFAULT_AUTH" in ENV else []
    argv = [*ENV.get("ELX_CLI_PREFIX", "").split(), program, "--no-defaults", "--protocol=tcp", f"--host={ENV['ELX_HOST']}",
            f"--port={ENV['ELX_PORT']}", f"--user={ENV['ELX_USER'] if user is None else user}",
            "--default-character-set=utf8mb4", "--max-allowed-packet=256M", *tls, *plugins, *auth, *args,
            ENV["ELX_DATABASE"] if database is None else database]
    return argv, dict(ENV, MYSQL_PWD=ENV["ELX_PASSWORD"] if password is None else password)


def call(program, *args, stdin=None, merge=False, **how):
    argv, env = command(program, *args, **how)
    done = subprocess.run(argv, input=stdin, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT if merge else subprocess.PIPE)
    if done.returncode:
        raise Failed((done.stdout if merge else done.stderr).decode(errors="replace"))
    return done.stdout


def error(message):
    """ERROR 1045 (28000): Access denied ... / mariadb-dump: Got error: 1045: "Access denied ..." when trying to connect"""
    found = re.search(r"ERROR (\d+) \((\w+)\)[^:]*: (.*)", message, re.S)
    if found:
        return {"code": int(found[1]), "state": found[2], "message": found[3].strip()}
    found = re.search(r'[Ee]rror:? (\d+): "(.*)"', message, re.S)
    if found:
        return {"code": int(found[1]), "state": None, "message": found[2]}
    return {"code": None, "state": None, "message": message.strip()}


def rows(data):
    return [[None if v == "NULL" else v for v in line.split("\t")] for line in data.decode().splitlines()]


def sql(text, *args, **how):
    stdin = text if isinstance(text, bytes) else text.encode()
    return call("mariadb", "--batch", "--skip-column-names", "--local-infile=1", *args, stdin=stdin, **how)


def one(text, **how):
    return rows(sql(text, **how))[0][0]


def login(**how):
    out = sql("SELECT CURRENT_USER();\n\\s\n", **how).decode()
    cipher = re.search(r"Cipher in use is ([\w-]+)", out)
    return {"user": out.splitlines()[0], "cipher": cipher and cipher[1]}


def packets():
    totals = (0xfffffe, 0xffffff, 0x1000000, 2 * 0xffffff)
    sent, received = [], []
    for total in totals:
        n = total - 1 - len("SELECT LENGTH('')")
        sent.append(int(one(b"SELECT LENGTH('" + b"a" * n + b"');\n")) - n)
    for total in totals:
        n = total - (4 if total - 4 <= 0xffffff else 9)
        value = sql(f"SELECT REPEAT('b', {n})", "--quick").rstrip(b"\n")
        received.append(len(value) - n if not value.strip(b"b") else -1)
    return {"sent": sent, "received": received}


def many_rows():
    found = rows(sql("SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100000", "--quick"))
    return {"count": len(found), "sum": sum(int(r[0]) for r in found), "last": found[-1][1]}


def prepared():
    lines = ["PREPARE s FROM 'INSERT INTO things (client, num, txt, val) VALUES (?, ?, ?, ?)'"]
    for i in (1, 2, 3):
        word = "NULL" if i == 3 else f"'Text {i} ü'"
        lines.append(f"EXECUTE s USING '{TAG}', {i * 1000000007}, {word}, {i + 0.5}")
    lines.append("PREPARE q FROM 'SELECT num, txt, val FROM things WHERE client = ? AND num >= ? ORDER BY num'")
    lines.append(f"EXECUTE q USING '{TAG}', 2000000014")
    return {"rows": rows(sql(";\n".join(lines)))}


def transaction():
    insert = f"INSERT INTO things (client, num) VALUES ('{TAG}-tx', 1);"
    count = f"SELECT COUNT(*) FROM things WHERE client = '{TAG}-tx';"
    found = rows(sql(f"BEGIN; {insert} ROLLBACK; {count} BEGIN; {insert} COMMIT; {count}"))
    return {"after_rollback": found[0][0], "after_commit": found[1][0]}


def blob():
    with open(ENV["ELX_BLOB"], "rb") as f:
        data = f.read()
    sql(b"INSERT INTO blobs (client, bin) VALUES ('" + TAG.encode() + b"', x'" + data.hex().encode() + b"');")
    back = sql(f"SELECT HEX(bin) FROM blobs WHERE client = '{TAG}'", "--quick")
    return {"sha256": hashlib.sha256(bytes.fromhex(back.decode())).hexdigest()}


def umlauts():
    found = rows(sql(f"INSERT INTO things (client, txt) VALUES ('{TAG}-utf', 'Grüezi Zürich ÄÖÜß éà € 😀');"
                     f"SELECT txt, HEX(txt) FROM things WHERE client = '{TAG}-utf';"))
    return {"text": found[0][0], "hex": found[0][1]}


def bulk():
    lines = "".join(f"INSERT INTO things (client, num) VALUES ('{TAG}-bulk', {i});\n" for i in range(1, 1001))
    return {"results": [rows(sql("BEGIN;\n" + lines + f"COMMIT; SELECT COUNT(*), SUM(num) FROM things WHERE client = '{TAG}-bulk'"))]}


def local_infile():
    return {"results": [rows(sql(
        f"LOAD DATA LOCAL INFILE '{ENV['ELX_INFILE']}' INTO TABLE loaded (n, word) SET client = '{TAG}';"
        f"SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = '{TAG}';"))]}


def sql_error():
    out = call("mariadb", "--batch", "--skip-column-names", "--force", stdin=b"SELECT FROM WHERE;\nSELECT 1;\n", merge=True).decode()
    return {"refused": error(re.search("^ERROR.*", out, re.M)[0]), "after": out.splitlines()[-1]}


def progress():
    """The CLI shows reports only when it is used interactively: on a terminal, with statements typed in."""
    sql(f"CREATE TABLE `slow_{TAG}` ENGINE=InnoDB SELECT seq FROM seq_1_to_350")
    typed = (f"SET SESSION progress_report_time = 1; ALTER TABLE `slow_{TAG}` ADD COLUMN c INT AS "
             "(LENGTH(SHA2(REPEAT(CHAR(seq), 2000000), 512))) STORED, ALGORITHM=COPY;\nexit\n")
    argv, env = command("mariadb", "--skip-auto-rehash")
    master, slave = pty.openpty()
    with subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave) as child:
        os.close(slave)
        os.write(master, typed.encode())
        shown = b""
        while data := read_terminal(master):
            shown += data
    os.close(master)
    if child.returncode:
        raise Failed(shown.decode(errors="replace"))
    return {"reported": b"% of stage done" in shown}


def read_terminal(fd):
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: the last program on it has ended
        return b""


def compress():
    found = rows(sql("SHOW SESSION STATUS LIKE 'Compression'; SELECT LENGTH(GROUP_CONCAT(seq)) FROM seq_1_to_1000", "--compress"))
    return {"compression": found[0][1], "length": found[1][0]}


def call_results():
    """The batch output runs the result sets together; they are told apart by their number of lines."""
    found = rows(sql("CALL two_results()"))
    return {"results": [found[:2], found[2:]]}


def multi():
    # One packet with three statements: the CLI sends what stands between two delimiters.
    found = rows(sql("DELIMITER //\nSELECT 1; SELECT 2, 'zwei'; SELECT 3//\n"))
    return {"results": [[r] for r in found]}


def dump(*args, **how):
    """A whole database: the SQL must be the same by whatever way it came."""
    data = call("mariadb-dump", "--skip-dump-date", "--single-transaction", "--routines", "--hex-blob", "--skip-comments",
                *args, database="elx_dump", **how)
    return {"sha256": hashlib.sha256(data).hexdigest(), "tables": data.count(b"CREATE TABLE"),
            "sequences": data.count(b"CREATE SEQUENCE"), "routines": data.count(b"PROCEDURE `"), "user": None}


COMMON = {
    "tls": {}, "wrong_ca": {"ca": ENV["ELX_WRONG_CA"]}, "plaintext": {"plain": True},
    "wrong_password": {"password": "not the password"},
}
MARIADB = {
    "query": lambda: {"results": [rows(sql("SELECT 1, 'abc', NULL"))]},
    "server": lambda: {"announced": None, "version": one("SELECT VERSION()"), "ping": True, "same_thread": True},
    "multi": multi,
    "call": call_results,
    "prepared": prepared, "transaction": transaction, "blob": blob, "packets": packets, "rows": many_rows,
    "umlauts": umlauts, "bulk": bulk, "local_infile": local_infile, "sql_error": sql_error, "progress": progress,
    "compress": compress,
    "sleep": lambda: {"results": [rows(sql(f"SELECT SLEEP(60) /* wait {TAG} */", "--comments"))]},
    "cancelled": lambda: {"results": [rows(sql(f"SELECT SLEEP(60) /* cancel {TAG} */", "--comments"))]},
    "session_vars": lambda: {"results": [rows(sql(
        "SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'; SELECT @@wait_timeout, @@sql_mode"))]},
    "attributes": lambda: {"results": [rows(sql(
        "SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs WHERE PROCESSLIST_ID = CONNECTION_ID()"))]},
    "unknown_database": lambda: login(database="elx_nowhere"),
}
DUMP = {"query": dump, "compress": lambda: dump("--compress")}


def scenario(program, name):
    log_in, table = (login, MARIADB) if program == "mariadb" else (dump, DUMP)
    if name in COMMON:
        return log_in(**COMMON[name])
    if name.startswith("login:"):
        _, user, password = name.split(":")
        return log_in(user=user, password=password)
    return table[name]() if name in table else {"unsupported": True}


def main():
    for name in sys.argv[2:]:
        try:
            result = scenario(sys.argv[1], name)
        except Failed as e:
            result = {"error": error(str(e))}
        print(json.dumps({"scenario": name, **result}), flush=True)


main()
