"""Servers of other products and of series that no package here has, from their documentation: named, and refused where a copy of
their files would not be whole."""
import json
import subprocess

import pytest

from lib import paths
from lib.backup import Backup, event
from lib.phrases import german
from lib.sqlserver import SqlServer

UNKNOWN_1193 = {"SET SESSION max_statement_time": (1193, "Unknown system variable 'max_statement_time'")}
FENCE = {"aria_checkpoint_interval": "30", "innodb_max_purge_lag_wait": "4294967295", "innodb_max_dirty_pages_pct": "90"}


def checks(folder, server, **options):
    b = Backup(folder / "b", server, None, options)
    done = b.run_job("doctor")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return b, {line["name"]: line for line in event(lines, "check")}


def test_mysql_is_named(folder):
    """Its limit for statements has another name; and of its files no copy is made."""
    with SqlServer(folder / "s", "9.7.4", refuse=UNKNOWN_1193) as server:
        b, found = checks(folder, server)
        assert found["server"]["good"] and "log in to MySQL 9.7.4" in found["server"]["text"], found
        assert not found["product"]["good"] and "this is MySQL 9.7.4, not MariaDB: backups by SQL dump only" in found["product"]["text"]
        assert "nur als SQL-Dump" in german(found["product"]) and "method = dump" in found["product"]["fix"]
        assert not any("CONNECTION ADMIN" in json.dumps(line) or "SET USER" in json.dumps(line) for line in found.values()), "MariaDB's rights are none of MySQL's"
        assert not any("1193" in line["text"] for line in found.values())
        assert "SET SESSION max_execution_time=5000" in server.asked
        assert "this is MySQL 9.7.4" in b.job("backup", "--now", "elexisdb", exit=9)[-1]["error"]
        _, found = checks(folder / "dump", server, backup={"method": "dump"})
        assert found["product"]["good"]


@pytest.mark.parametrize("version, variable, value, words", [
    ("13.0.1-MariaDB", "innodb_log_archive", "ON", "ib_LSN.log"),
    ("12.3.2-MariaDB", "binlog_storage_engine", "innodb", ".ibb"),
    ("12.3.2-MariaDB", "binlog_directory", "/srv/binlog", "outside the data directory"),
])
def test_what_newer_series_keep_elsewhere(folder, version, variable, value, words):
    with SqlServer(folder / "s", version, {variable: value}) as server:
        b, found = checks(folder, server)
        assert found["server"]["good"] and found["grants"]["good"]
        layout = found["layout"]
        assert not layout["good"] and f"{variable}={value}" in layout["text"] and words in layout["text"] and "method = dump" in layout["text"], layout
        assert f"{variable}={value}" in b.job("backup", "--now", "elexisdb", exit=9)[-1]["error"]


@pytest.mark.parametrize("missing", FENCE)
def test_what_the_fence_stands_on_is_named_when_a_series_drops_it(folder, missing):
    variables = {k: v for k, v in FENCE.items() if k != missing}
    with SqlServer(folder / "s", "14.1.1-MariaDB", variables) as server:
        done = subprocess.run([paths.BUILD / "tests" / "tools" / "fence-tool", server.socket, "root", folder / "globals.json", "settle_ms=0"],
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode != 0 and f"14.1.1-MariaDB) has no {missing}" in done.stdout + done.stderr, done
        assert not any(sql.startswith(("FLUSH TABLES", "SET GLOBAL")) for sql in server.asked), server.asked
