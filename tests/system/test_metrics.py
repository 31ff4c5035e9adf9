"""elexgate metrics: what Prometheus collects, from a real gate and a real keeper, read by Prometheus' own tool."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pymysql
import pytest

from lib import paths, process
from lib.backup import Backup

pytestmark = pytest.mark.sanitize
SAMPLE = re.compile(r'^([a-z_]+)(\{[^}]*\})? (\S+)$')


def promtool(*args, input=None):
    tool = shutil.which("promtool")
    assert tool, "promtool is missing: apt-get install prometheus (scripts/deps test)"
    return subprocess.run([tool, *map(str, args)], input=input, capture_output=True, text=True, timeout=120)


def samples(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            assert (name, labels) not in found
            found[name + (labels or "")] = float(value)
    return found


def metrics(gate):
    return samples(gate.cli("metrics").stdout)


def test_nobody_answers(make_gate):
    """A monitoring system must see that, not an error of its collector."""
    gate = make_gate(None, start=False, options={"database": {"host": "127.0.0.1", "port": 1}})
    text = gate.cli("metrics").stdout
    assert samples(text) == {'elexgate_up{program="elexgate-proxy"}': 0, 'elexgate_up{program="elexgate-keeper"}': 0}
    assert promtool("check", "metrics", input=text).returncode == 0


def test_what_a_gate_counts(make_gate, server):
    gate = make_gate(server, listeners={"elexis": {}, "old": {"tls": "required"}},
                     options={"proxy": {"max_sessions_per_address": 3}})
    before = metrics(gate)
    assert before['elexgate_up{program="elexgate-proxy"}'] == 1
    assert before["elexgate_sessions"] == 0
    with gate.connect() as c:
        with c.cursor() as cursor:
            cursor.execute("SELECT REPEAT('x', 5000)")
            cursor.fetchall()
        with pytest.raises(pymysql.err.OperationalError):
            gate.connect(user="nobody", password="wrong")
        with pytest.raises(pymysql.err.OperationalError):
            gate.connect(tls=False)
        during = metrics(gate)
    assert during["elexgate_sessions"] == 1
    assert during['elexgate_logins_total{result="ok"}'] == 1
    assert during['elexgate_logins_total{result="failed"}'] == 1
    assert during['elexgate_connections_refused_total{reason="no_tls"}'] == 1
    assert during['elexgate_tls_handshakes_total{result="ok"}'] == 2
    assert during['elexgate_tls_versions_total{version="TLSv1.3"}'] == 2
    assert during['elexgate_tls_versions_total{version="TLSv1.2"}'] == 0
    assert during['elexgate_client_bytes_total{direction="out"}'] > 5000
    assert during["elexgate_workers"] == 2
    assert during['elexgate_gate_state{state="open"}'] == 1
    assert 0 <= during['elexgate_loop_lag_seconds{loop="worker-1"}'] < 60
    assert 'elexgate_queue_depth{loop="main"}' in during
    assert during["elexgate_certificate_expires_in_seconds"] > 3600
    assert during['elexgate_idle_seconds{since="statement"}'] <= before['elexgate_idle_seconds{since="statement"}'] + 60
    gate.cli("block", "--grace", "0s")
    with pytest.raises(pymysql.err.OperationalError):
        gate.connect()
    after = metrics(gate)
    assert after['elexgate_gate_state{state="blocked"}'] == 1
    assert after['elexgate_connections_refused_total{reason="blocked"}'] == 1
    checked = promtool("check", "metrics", input=gate.cli("metrics").stdout)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_loop_that_is_late(make_gate, server):
    """A process that the machine gives no time to for two seconds says so, each of its threads."""
    gate = make_gate(server)
    os.kill(gate.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(gate.pid, signal.SIGCONT)
    for loop in ("main", "worker-0", "worker-1"):
        process.wait_until(lambda: metrics(gate)[f'elexgate_loop_lag_seconds{{loop="{loop}"}}'] >= 1, 20, f"the lag of {loop}")


def test_each_reason_is_counted_for_itself(make_gate, server):
    gate = make_gate(server, listeners={"elexis": {}, "inside": {"deny": "127.0.0.0/8"}},
                     options={"proxy": {"max_sessions_per_address": 1}})
    with gate.connect():
        for listener in (None, "inside"):
            with pytest.raises(pymysql.err.OperationalError):
                gate.connect(listener=listener)
        found = metrics(gate)
        assert found['elexgate_connections_refused_total{reason="max_sessions_per_address"}'] == 1
        assert found['elexgate_connections_refused_total{reason="address_not_allowed"}'] == 1
        totals = gate.status()["totals"]
        assert totals["refused"] == sum(totals["refused_by"].values()) == 2


def test_backups(folder, server):
    server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE TABLE IF NOT EXISTS load_db.t (a INT PRIMARY KEY)")
    b = Backup(folder, server, options={"backup": {"method": "dump", "schedule": "0 3 * * *"}}).account()
    b.start_keeper()
    try:
        assert "elexgate_backup_age_seconds" not in samples(b.cli("metrics").stdout)
        b.cli("backup", "--now")
        text = b.cli("metrics").stdout
        found = samples(text)
        archive = next(b.archives.glob("*.tar.gz"))
        assert found['elexgate_backup_size_bytes{type="elexisdb-sql"}'] == archive.stat().st_size
        assert found["elexgate_backup_last_success"] == 1
        assert 0 <= found["elexgate_backup_age_seconds"] < 600
        assert found["elexgate_backup_duration_seconds"] >= 0
        assert found["elexgate_backup_folder_free_bytes"] > 1e6
        assert found["elexgate_backup_next_timestamp_seconds"] > found["elexgate_backup_last_success_timestamp_seconds"]
        checked = promtool("check", "metrics", input=text)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    finally:
        b.stop_keeper()


# monitoring/ and docs/metrics.md

def words(path):
    return set(re.findall(r"\belexgate_[a-z0-9_]+", (paths.ROOT / path).read_text(encoding="utf-8")))


def test_alert_rules():
    checked = promtool("check", "rules", paths.ROOT / "monitoring" / "alerts.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", paths.ROOT / "monitoring" / "alerts_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    rules = (paths.ROOT / "monitoring" / "alerts.yml").read_text(encoding="utf-8")
    tests = (paths.ROOT / "monitoring" / "alerts_test.yml").read_text(encoding="utf-8")
    names = re.findall(r"- alert: (\w+)", rules)
    assert len(names) > 10 and [name for name in names if name not in tests] == []
    assert len(re.findall(r"^ +summary_de: ", rules, re.MULTILINE)) == len(names)


def test_only_metrics_that_there_are():
    made = words("common/metrics_text.c")
    assert len(made) > 30
    assert made - words("docs/metrics.md") == set(), "not documented"
    for path in ("docs/metrics.md", "monitoring/alerts.yml", "monitoring/alerts_test.yml", "monitoring/dashboard.json"):
        assert words(path) - made == set(), path


def test_dashboard():
    dashboard = json.loads((paths.ROOT / "monitoring" / "dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 15
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) and len({panel["id"] for panel in dashboard["panels"]}) == len(places)
    rules = {"groups": [{"name": "g", "rules": [
        {"record": f"r{i}", "expr": e.replace("$__rate_interval", "5m").replace("$instance", ".*")} for i, e in enumerate(expressions)]}]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        json.dump(rules, f)  # JSON is YAML
        f.flush()
        checked = promtool("check", "rules", f.name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
