#!/usr/bin/python3
"""The PyMySQL client of the matrix. The contract of scenarios and environment stands in ../README.md."""
import hashlib
import json
import os
import pathlib
import sys

import pymysql
from pymysql.constants import CLIENT

ENV = os.environ
TAG = ENV["ELX_TAG"]


def connect(**how):
    settings = dict(host=ENV["ELX_HOST"], port=int(ENV["ELX_PORT"]), user=ENV["ELX_USER"],
                    password=ENV["ELX_PASSWORD"], database=ENV["ELX_DATABASE"], charset="utf8mb4", local_infile=True,
                    max_allowed_packet=256 << 20, program_name="elx-client-pymysql", autocommit=True,
                    client_flag=CLIENT.MULTI_STATEMENTS, connect_timeout=20)
    if not how.pop("plain", False) and ENV["ELX_TLS"] != "off":
        settings["ssl"] = {"ca": how.pop("ca", ENV["ELX_CA"]), "verify_mode": "required", "check_hostname": True}
    settings.update(how)
    return pymysql.connect(**settings)


def text(value):
    if isinstance(value, bytes):
        return value.decode()
    return None if value is None else str(value)


def results(cursor):
    found = []
    while True:
        if cursor.description:
            found.append([[text(v) for v in row] for row in cursor.fetchall()])
        if not cursor.nextset():
            return {"results": found}


def run(c, sql, args=None):
    with c.cursor() as cursor:
        cursor.execute(sql, args)
        return results(cursor)


def one(c, sql, args=None):
    return run(c, sql, args)["results"][0][0][0]


def error(e):
    code = e.args[0] if e.args and isinstance(e.args[0], int) else None
    return {"code": code, "state": None, "message": str(e.args[1] if len(e.args) > 1 else e)}


def login(**how):
    c = connect(**how)
    cipher = c._sock.cipher() if hasattr(c._sock, "cipher") else None
    return {"cipher": cipher and cipher[0], "user": one(c, "SELECT CURRENT_USER()")}


def prepared(c):
    """PyMySQL puts the values in on its side; it has no server-side prepared statements."""
    with c.cursor() as cursor:
        for i in (1, 2, 3):
            cursor.execute("INSERT INTO things (client, num, txt, val) VALUES (%s, %s, %s, %s)",
                           (TAG, i * 1000000007, None if i == 3 else f"Text {i} ü", i + 0.5))
    found = run(c, "SELECT num, txt, val FROM things WHERE client = %s AND num >= %s ORDER BY num", (TAG, 2000000014))
    return {"rows": found["results"][0]}


def transaction(c):
    def insert():
        run(c, "INSERT INTO things (client, num) VALUES (%s, 1)", (TAG + "-tx",))

    def count():
        return one(c, "SELECT COUNT(*) FROM things WHERE client = %s", (TAG + "-tx",))
    c.begin()
    insert()
    c.rollback()
    after_rollback = count()
    c.begin()
    insert()
    c.commit()
    return {"after_rollback": after_rollback, "after_commit": count()}


def blob(c):
    with c.cursor() as cursor:
        cursor.execute("INSERT INTO blobs (client, bin) VALUES (%s, _binary %s)",
                       (TAG, pathlib.Path(ENV["ELX_BLOB"]).read_bytes()))
        cursor.execute("SELECT bin FROM blobs WHERE client = %s", (TAG,))
        return {"sha256": hashlib.sha256(cursor.fetchone()[0]).hexdigest()}


def packets(c):
    totals = (0xfffffe, 0xffffff, 0x1000000, 2 * 0xffffff)
    sent, received = [], []
    for total in totals:
        n = total - 1 - len("SELECT LENGTH('')")
        sent.append(int(one(c, f"SELECT LENGTH('{'a' * n}')")) - n)
    for total in totals:
        n = total - (4 if total - 4 <= 0xffffff else 9)
        value = one(c, f"SELECT REPEAT('b', {n})")
        received.append(len(value) - n if not value.strip("b") else -1)
    return {"sent": sent, "received": received}


def rows(c):
    count = total = 0
    last = None
    with c.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute("SELECT seq, CONCAT('row ', seq) FROM seq_1_to_100000")
        for seq, last in cursor:
            count += 1
            total += seq
    return {"count": count, "sum": total, "last": last}


def kill_idle(c):
    other = connect()
    other.kill(c.thread_id())
    other.close()
    return run(c, "SELECT 1")


def umlauts(c):
    run(c, "INSERT INTO things (client, txt) VALUES (%s, %s)", (TAG + "-utf", "Grüezi Zürich ÄÖÜß éà € 😀"))
    return {"text": one(c, "SELECT txt FROM things WHERE client = %s", (TAG + "-utf",)),
            "hex": one(c, "SELECT HEX(txt) FROM things WHERE client = %s", (TAG + "-utf",))}


def local_infile(c):
    run(c, f"LOAD DATA LOCAL INFILE '{ENV['ELX_INFILE']}' INTO TABLE loaded (n, word) SET client = %s", (TAG,))
    return run(c, "SELECT COUNT(*), SUM(n), MAX(LENGTH(word)) FROM loaded WHERE client = %s", (TAG,))


def session_vars(c):
    run(c, "SET SESSION wait_timeout = 4242, SESSION sql_mode = 'ANSI_QUOTES'")
    return run(c, "SELECT @@wait_timeout, @@sql_mode")


def attributes(c):
    return run(c, "SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs "
                  "WHERE PROCESSLIST_ID = CONNECTION_ID()")


def bulk(c):
    with c.cursor() as cursor:
        cursor.executemany("INSERT INTO things (client, num) VALUES (%s, %s)", [(TAG + "-bulk", i) for i in range(1, 1001)])
    return run(c, "SELECT COUNT(*), SUM(num) FROM things WHERE client = %s", (TAG + "-bulk",))


def server(c):
    c.ping(reconnect=False)
    return {"announced": c.get_server_info(), "version": one(c, "SELECT VERSION()"),
            "same_thread": int(one(c, "SELECT CONNECTION_ID()")) == c.thread_id(), "ping": True}


def sql_error(c):
    try:
        refused = run(c, "SELECT FROM WHERE")
    except pymysql.MySQLError as e:
        refused = error(e)
    return {"refused": refused, "after": one(c, "SELECT 1")}


LOGINS = {
    "tls": {}, "wrong_ca": {"ca": ENV["ELX_WRONG_CA"]}, "plaintext": {"plain": True},
    "wrong_password": {"password": "not the password"}, "unknown_database": {"database": "elx_nowhere"},
}
SQL = {
    "query": "SELECT 1, 'abc', NULL", "multi": "SELECT 1; SELECT 2, 'zwei'; SELECT 3", "call": "CALL two_results()",
    "sleep": f"SELECT SLEEP(60) /* wait {TAG} */", "cancelled": f"SELECT SLEEP(60) /* cancel {TAG} */",
}
CONNECTED = {f.__name__: f for f in (
    prepared, transaction, blob, packets, rows, kill_idle, umlauts, local_infile, session_vars, attributes, bulk, server,
    sql_error)}


def scenario(name):
    if name in LOGINS:
        return login(**LOGINS[name])
    if name.startswith("login:"):
        _, user, password = name.split(":")
        return login(user=user, password=password)
    if name not in SQL and name not in CONNECTED:
        return {"unsupported": True}
    c = connect()
    try:
        return run(c, SQL[name]) if name in SQL else CONNECTED[name](c)
    finally:
        c._force_close()


def main():
    for name in sys.argv[1:]:
        try:
            result = scenario(name)
        except (pymysql.MySQLError, OSError) as e:
            result = {"error": error(e)}
        print(json.dumps({"scenario": name, **result}), flush=True)


main()
