"""Fixtures of the system tests: real servers on private data directories, the proxy in front, nothing left behind.

    server        a running MariaDB (one a test module); MariaDB of lib/mariadb.py
    make_server   makes further ones:  make_server(args=["--log-bin"], certificate=..., start=True)
    pki           certificates; Pki of lib/certs.py
    gate          elexgate-proxy in front of `server`, fresh for each test; Gate of lib/gate.py
    make_gate     with other settings: make_gate(server, listeners={...}, options={...}, backend="tcp")
    practice      the practice database, loaded into `server`; .database .user .password
    folder        a short-named empty folder (unix sockets need short paths), removed after a good test

$ELEXGATE_TEST_SERVER=11.8 runs them on that server instead of this machine's own (lib/newer.py; scripts/test --server 11.8).
$ELEXGATE_BUILD names the build folder under test, $ELEXGATE_TEST_PORT_BASE the first of 200 ports. The marker
`sanitize` marks what also runs on the sanitizer builds; `slow` what --quick leaves out. $ELEXGATE_TEST_KEEP keeps all
folders.
"""
import collections
import itertools
import os
import pathlib
import shutil
import tempfile

import pytest

from lib import newer

# readline, which pytest 8 loads, sets them behind os.environ: what we start would cut its lines at 80 columns in a pipe, too.
for _name in ("COLUMNS", "LINES"):
    os.unsetenv(_name)
SERVER = newer.begin()  # before anything looks for the server's programs
from lib import mariadb, paths, process, sanitize  # noqa: E402
from lib.certs import Pki  # noqa: E402
from lib.gate import Gate  # noqa: E402

Practice = collections.namedtuple("Practice", "database user password patients documents_mb seed")
_numbers = itertools.count(1)
KEEP = bool(os.environ.get("ELEXGATE_TEST_KEEP"))


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run on the sanitizer builds")
    config.addinivalue_line("markers", "slow: left out by scripts/test --quick")


def pytest_report_header():
    return f"server under test: {SERVER}" if SERVER else None


def pytest_unconfigure():
    newer.end()


# The files that take longest, begun first when several processes share the work: whoever gets the longest one last would
# still be at it when the others have long gone.
LONGEST = ["test_console_browser.py", "test_keeper.py", "test_clients.py", "test_backup.py", "test_fence.py", "test_dialogue.py", "test_cert_scan.py",
           "test_restore.py"]


def pytest_collection_modifyitems(items):
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def session_folder(request):
    """Under $TMPDIR with a short name; kept when a test failed, for looking at it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="elexgate-"))
    yield folder
    if request.session.testsfailed == 0 and not KEEP:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"\nfiles of this run are kept in {folder}")


@pytest.fixture(scope="session", autouse=True)
def trial_user():
    """As root, drills and trials run as a user of their own."""
    process.run([paths.ROOT / "scripts" / "deps", "--user"])


@pytest.fixture(scope="session", autouse=True)
def sanitizer_reports(session_folder):
    return sanitize.Reports(session_folder / "sanitizer")


@pytest.fixture(autouse=True)
def _no_sanitizer_report(sanitizer_reports):
    yield
    text = sanitizer_reports.new()
    if text:
        pytest.fail(f"a sanitizer reported:\n{text}", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the log of every process that runs at that moment."""
    report = (yield).get_result()
    if report.failed:
        for child in list(process.RUNNING):
            report.sections.append((f"log of {child.name}, pid {child.pid}", child.log()[-6000:]))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    for child in list(process.RUNNING):
        child.kill()


@pytest.fixture
def folder(session_folder, request):
    path = session_folder / f"t{next(_numbers)}"
    path.mkdir()
    failed_before = request.session.testsfailed
    yield path
    if request.session.testsfailed == failed_before and not KEEP:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def template(session_folder):
    path = session_folder / "template"
    mariadb.install_template(path)
    return path


@pytest.fixture(scope="session")
def pki(session_folder):
    return Pki(session_folder / "pki")


class _Servers:
    """Starts servers and ends all of them."""

    def __init__(self, session_folder, template):
        self._folder, self._template, self._servers = session_folder, template, []

    def __call__(self, start=True, **kwargs):
        kwargs.setdefault("template", self._template)
        server = mariadb.MariaDB(self._folder / f"s{next(_numbers)}", **kwargs)
        self._servers.append(server)
        return server.start() if start else server

    def end(self):
        for server in self._servers:
            server.kill()
            shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(session_folder, template):
    servers = _Servers(session_folder, template)
    yield servers()
    servers.end()


@pytest.fixture
def make_server(session_folder, template):
    servers = _Servers(session_folder, template)
    yield servers
    servers.end()


@pytest.fixture
def make_gate(folder, pki):
    gates = []

    def make(server=None, start=True, **kwargs):
        kwargs.setdefault("pki", pki)
        gate = Gate(folder / f"g{next(_numbers)}", server, **kwargs)
        gates.append(gate)
        return gate.start() if start else gate

    yield make
    errors = []
    for gate in gates:
        try:
            gate.stop()
        except RuntimeError as error:
            errors.append(str(error))
        gate.end_successors()
    if errors:
        pytest.fail("\n".join(errors), pytrace=False)


@pytest.fixture
def gate(make_gate, server):
    return make_gate(server)


@pytest.fixture(scope="session")
def practice_sql(session_folder):
    """The SQL of a small practice database, made once."""
    path = session_folder / "practice.sql"
    process.run([paths.PRACTICE_DB, "--patients", "200", "--documents", "2", "--seed", "1", "--output", path], timeout=300)
    return path


def load_practice(server, sql, database="elexis", user="elexisuser", password="elexis-Übung-1"):
    """Loads the practice database into any server and makes the account that Elexis would use."""
    server.sql(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
    with open(sql, "rb") as f:
        process.run_into([*"mariadb --no-defaults --skip-ssl --user=root --max-allowed-packet=1G --default-character-set=utf8mb4".split(),
                          f"--socket={server.socket}", database], f, timeout=300)
    server.add_user(user, password, f"ALL ON `{database}`.*")
    return Practice(database, user, password, 200, 2, 1)


@pytest.fixture(scope="module")
def practice(server, practice_sql):
    return load_practice(server, practice_sql)
