"""Every client, through the gate and directly: the gate must give what the server itself gives.

The three ways to the database are clients_matrix.WAYS; "direct" shows what is right, and that the client programs
work at all.
"""
import re

import pytest

import clients_matrix as matrix
from lib import process
from lib.mariadb import SERIES


@pytest.fixture(scope="module")
def programs():
    return matrix.build_programs()


@pytest.fixture(scope="module")
def files(session_folder):
    folder = session_folder / "client-files"
    folder.mkdir()
    return matrix.Files(folder)


@pytest.fixture(scope="module")
def server(session_folder, template, pki):
    server = matrix.start_server(session_folder / "clients-db", template, pki)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def gates(session_folder, server, pki):
    """The way's name -> a running gate."""
    gates = matrix.start_gates(session_folder, server, pki)
    yield gates
    for gate in gates.values():
        gate.stop()


@pytest.fixture(scope="module")
def results(request, programs, files, server, pki):
    """results(way, client) -> {scenario: result}; each pair runs once, all its scenarios in one process."""
    known = {}

    def get(way, client):
        if (way, client) not in known:
            # The direct way must not depend on the gate being there.
            gates = request.getfixturevalue("gates") if way != "direct" else None
            try:
                known[way, client] = matrix.run(programs[client], matrix.target(way, server, gates, pki), f"{way}-{client}",
                                                matrix.scenarios(way, client), server, files)
            except Exception as error:  # a client that hangs costs its time once, not once a scenario
                known[way, client] = error
        if isinstance(known[way, client], Exception):
            raise known[way, client]
        return known[way, client]
    return get


CASES = [pytest.param(way, client, scenario, marks=[pytest.mark.sanitize] if way != "direct" else [])
         for way in matrix.WAYS for client in matrix.SCENARIOS for scenario in matrix.scenarios(way, client)]


def check_refused_plaintext(result):
    error = result["error"]
    assert error["code"] == 3159, error
    assert "verschluesselte Verbindungen" in error["message"] and "only encrypted connections" in error["message"], error


def check_wrong_ca(result):
    error = result["error"]
    assert error["code"] in (None, 2026, 2002, 2006, 2013, 2003, 45009), "the server has nothing to do with it"
    assert re.search(r"certif|verif|SSL|TLS|self.signed|PKIX", error["message"], re.I), error


def check_lost(error):
    """A killed connection: the server closes it, at most after a word (1927); each driver says it in its own way."""
    assert error["code"] in (None, 1927, 2006, 2013, 2026, 45009, 45013), error
    assert re.search(r"lost|gone away|closed|eof|end of stream|killed|fatal error|ended", error["message"], re.I), error


def without_number(error):
    """Connector/J puts the connection's number in front of the server's words."""
    return re.sub(r"\(conn=\d+\)", "", error["message"])


def check_access_denied(error, user="elx"):
    assert error["code"] == 1045, error
    assert re.search(rf"Access denied for user '{user}'@'\S+' \(using password: YES\)", error["message"]), error


@pytest.mark.parametrize("way,client,scenario", CASES, ids=lambda value: value.split(":")[0])
def test_client(results, files, server, way, client, scenario):
    result = results(way, client)[scenario]
    assert "unsupported" not in result
    if scenario == "plaintext" and way != "direct":
        return check_refused_plaintext(result)
    if scenario == "wrong_ca":
        return check_wrong_ca(result)
    if scenario == "wrong_password":
        return check_access_denied(result["error"])
    if scenario == "unknown_database":
        assert result["error"]["code"] == 1049, result
        return None
    if scenario == "cancelled":
        assert (result["error"]["code"], "interrupted" in result["error"]["message"]) == (1317, True), result
        return None
    if scenario in ("sleep", "kill_idle"):
        return check_lost(result["error"])
    if scenario == "compress" and client in ("mysqli", "pdo") and way != "direct":
        # mysqlnd compresses although nobody offered it: it must be told, or it waits for ever.
        assert (result["error"]["code"], "Kompression" in result["error"]["message"]) == (1235, True), result
        return None
    assert "error" not in result, result["error"]
    return check_answer(results, files, server, way, client, scenario, result)


def check_answer(results, files, server, way, client, scenario, result):
    if client == "mariadb-dump":
        # The same bytes whichever way; an announced 5.6 makes it write sequences as tables, which is why tools
        # have a listener of their own.
        assert (result["tables"], result["sequences"], result["routines"]) == ((3, 0, 1) if way == "gate-elexis" else (2, 1, 1))
        if way == "gate":
            assert result == results("direct", client)[scenario]
    elif scenario in matrix.EXPECTED and not (client == "mariadb-npm" and scenario == "pipeline"):
        got = {key: result[key] for key in matrix.EXPECTED[scenario]}
        assert got == matrix.EXPECTED[scenario]
    elif scenario in ("tls", "plaintext"):
        assert result["user"] == "elx@%"
    elif scenario == "packets":
        assert set(result["sent"] + result["received"]) == {0}, result
    elif scenario == "blob":
        assert result["sha256"] == files.blob_sha256
    elif scenario == "server":
        assert result["version"] == server.value("SELECT VERSION()") and result["ping"] and result["same_thread"], result
        if way != "gate-elexis":
            assert result["announced"] == results("direct", client)["server"]["announced"]
    elif scenario == "attributes":
        assert attributes(result) == attributes(results("direct", client)["attributes"])
    elif scenario == "compress":
        assert result["compression"] == ("ON" if way == "direct" else "OFF") and result["length"] == "3892"
    elif scenario == "sql_error":
        refused = [r["refused"] | {"message": without_number(r["refused"])} for r in (result, results("direct", client)["sql_error"])]
        assert refused[0] == refused[1] and refused[0]["code"] == 1064
        assert result["after"] == "1"
    elif scenario.startswith("change_user"):
        assert (result["user"], result["database"]) == ("elx_second@%", matrix.DATABASE)
        check_access_denied(result["refused"], "elx_second")
    elif scenario == "pipeline":
        assert result.get("right") or result == matrix.EXPECTED["bulk"], result
    else:
        pytest.fail(f"nothing known about {scenario}: {result}")


def attributes(result):
    """Without what differs from process to process."""
    return {name: value for name, value in result["results"][0] if name not in ("_pid", "_thread", "_server_host")}


@pytest.mark.parametrize("client", matrix.SCENARIOS)
@pytest.mark.parametrize("announce", matrix.ANNOUNCED)
@pytest.mark.sanitize
def test_announced_text(gates, programs, server, pki, client, announce):
    """Any text may be announced: every client logs in, asks, and prepares a statement."""
    to = matrix.target("gate", server, gates, pki, listener=matrix.ANNOUNCED[announce])
    wanted = [s for s in ("tls", "query", "prepared", "umlauts", "server") if s in matrix.SCENARIOS[client]]
    results = matrix.run(programs[client], to, f"{announce}-{client}", wanted)
    for scenario, result in results.items():
        assert "error" not in result, f"{scenario}: {result['error']}"
        if client != "mariadb-dump" and scenario in matrix.EXPECTED:
            assert {key: result[key] for key in matrix.EXPECTED[scenario]} == matrix.EXPECTED[scenario]
    announced = results.get("server", {}).get("announced")
    assert announced is None or announce in announced


@pytest.mark.parametrize("client", [*matrix.SCENARIOS, "mysql2-1.7"])
@pytest.mark.parametrize("listener", ["internal", "both"])
def test_plaintext_listener(gates, programs, server, pki, client, listener):
    """tls = off and tls = preferred let plaintext in. mysql2 1.7, which knows no other, is what Webelexis uses."""
    to = matrix.target("gate-elexis", server, gates, pki, listener=listener, tls="off")
    wanted = [s for s in ("tls", "query", "prepared", "wrong_password") if s in matrix.SCENARIOS.get(client, matrix.USUAL)]
    results = matrix.run(programs[client], to, f"{listener}-{client}", wanted)
    check_access_denied(results.pop("wrong_password")["error"])
    for scenario, result in results.items():
        assert "error" not in result, f"{scenario}: {result['error']}"
        if client != "mariadb-dump" and scenario in matrix.EXPECTED:
            assert result == matrix.EXPECTED[scenario]
    assert results["tls"].get("cipher") is None


@pytest.mark.parametrize("client", [c for c in matrix.SCENARIOS if c != "mariadb-dump"])
def test_preferred_offers_tls(gates, programs, server, pki, client):
    to = matrix.target("gate-elexis", server, gates, pki, listener="both")
    result = matrix.run(programs[client], to, f"preferred-{client}", ["tls"])["tls"]
    assert result.get("user") == "elx@%", result


@pytest.mark.parametrize("client", matrix.SCENARIOS)
def test_certificate_for_another_name(programs, server, pki, make_gate, client):
    """Signed by the right CA, for another host: refused by every client that looks. At 127.0.0.1 itself Connector/C looks no more since 3.4."""
    other = pki.odd("wrong-host")
    gate = make_gate(server, listeners={"elexis": {}, "away": {"address": "127.0.0.2"}},
                     options={"tls": {"certificate": other.certificate, "key": other.key}})
    away = matrix.Target("wrong-name", "127.0.0.2", gate.ports["away"], pki.ca_file, pki.other_ca_file)
    here = away._replace(host="127.0.0.1", port=gate.port)
    if client in matrix.CONNECTOR_C:
        result = matrix.run(programs[client], here, f"here-{client}", ["tls"])["tls"]
        assert ("error" in result) == (SERIES < (11, 4)), result
    result = matrix.run(programs[client], away, f"name-{client}", ["tls"])["tls"]
    if client in matrix.CHECKS_NAME:
        assert re.search(r"certif|verif|SSL|TLS|host|name|altname", result["error"]["message"], re.I), result
        assert result["error"]["code"] != 1045
    else:
        assert "error" not in result, result


def test_session_names_the_client(gates, programs, server, pki, folder):
    """What the gate tells about a session is what the client said of itself."""
    gate = gates["gate"]
    argv, env = matrix.command(programs["libmariadb"], matrix.target("gate", server, gates, pki), "named", ["sleep"])
    client = process.Child("client", argv, folder / "client.log", env=env)
    session = process.wait_until(lambda: next((s for s in gate.sessions() if s["in_flight"]), None), what="a session in flight")
    thread = server.value("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%wait named%' AND COMMAND = 'Query' "
                          "AND INFO LIKE 'SELECT SLEEP%'")
    server.sql(f"KILL {thread}")
    client.wait()
    assert (session["user"], session["database"], session["program"]) == ("elx", matrix.DATABASE, "elx-client-c")
    assert session["attributes"]["_client_name"] == "libmariadb"
    assert session["tls_version"] == "TLSv1.3" and session["cipher"].startswith("TLS_")
    assert session["peer"] == "127.0.0.1" and session["last_kind"] == "read"
    assert session["thread_id"] == thread
