"""MariaDB 11.8 of the next Debian, as client and as server, through the gate.

The programs come from a folder that scripts/trixie-root makes (lib/trixie.py). Without it these tests are skipped.
"""
import pytest

import clients_matrix as matrix
from lib import newer, trixie as lib_trixie
from lib.gate import Gate

PASSWORD = matrix.PASSWORD
SCENARIOS = ["tls", "wrong_ca", "plaintext", "wrong_password", "query", "server", "prepared", "transaction", "blob", "rows", "umlauts",
             "multi", "call", "local_infile", "session_vars", "bulk", "cancelled", "sql_error"]


@pytest.fixture(scope="module")
def trixie():
    return lib_trixie.root()


@pytest.fixture(scope="module")
def programs():
    return matrix.build_programs()


@pytest.fixture(scope="module")
def clients(trixie, programs):
    """Version -> the command-line client, run by the same driver."""
    new = dict(ELX_CLI_PREFIX=str(trixie / "run"), ELX_PLUGIN_DIR=str(lib_trixie.client_plugins(trixie)))
    return {"10.11": programs["mariadb"], "11.8": programs["mariadb"]._replace(env=new),
            "dump 10.11": programs["mariadb-dump"], "dump 11.8": programs["mariadb-dump"]._replace(env=new)}


@pytest.fixture(scope="module")
def files(session_folder):
    folder = session_folder / "trixie-files"
    folder.mkdir()
    return matrix.Files(folder)


def accounts(server, plugins):
    for plugin in plugins:
        server.add_user(f"acc_{plugin}", PASSWORD, plugin=plugin)


@pytest.fixture(scope="module")
def servers(session_folder, template, pki, trixie):
    old = matrix.start_server(session_folder / "trixie-old", template, pki)
    accounts(old, ["mysql_native_password", "ed25519"])
    new = lib_trixie.NewServer(session_folder / "trixie-new", trixie, certificate=pki.server.certificate, key=pki.server.key, args=[
        "--local-infile=1", "--plugin-load-add=auth_ed25519", "--plugin-load-add=auth_parsec", matrix.LONG_PACKETS])
    new.start()
    matrix.set_up(new)
    accounts(new, ["mysql_native_password", "ed25519", "parsec"])
    yield {"10.11": old, "11.8": new}
    old.kill()
    new.kill()


@pytest.fixture(scope="module")
def gates(session_folder, servers, pki):
    gates = {}
    for version, server in servers.items():
        gates[version] = Gate(session_folder / f"trixie-g{len(gates)}", server, pki, listeners={
            "tools": {"announce": "server"}, "elexis": {}}, backend="tcp").start()
    yield gates
    for gate in gates.values():
        gate.stop()


def target(way, servers, gates, server, pki, listener=None):
    port = servers[server].port if way == "direct" else gates[server].ports[listener or "tools"]
    return matrix.Target(way, "127.0.0.1", port, pki.ca_file, pki.other_ca_file)


PAIRS = [pytest.param("11.8", "10.11", marks=newer.needs_both), pytest.param("10.11", "11.8", marks=newer.needs_both), ("11.8", "11.8")]


@pytest.mark.parametrize("client,server", PAIRS)
@pytest.mark.parametrize("way", ["direct", "gate"])
def test_client_and_server(servers, gates, clients, files, pki, way, client, server):
    results = matrix.run(clients[client], target(way, servers, gates, server, pki), f"{way}-{client}-{server}", SCENARIOS,
                         servers[server], files)
    assert results.pop("wrong_password")["error"]["code"] == 1045
    assert results.pop("cancelled")["error"]["code"] == 1317
    assert results.pop("wrong_ca")["error"]["code"] == 2026
    plaintext = results.pop("plaintext")
    assert plaintext["error"]["code"] == 3159 if way == "gate" else plaintext["user"] == "elx@%"
    for scenario, result in results.items():
        assert "error" not in result, f"{scenario}: {result['error']}"
        if scenario in matrix.EXPECTED:
            assert result == matrix.EXPECTED[scenario]
    assert results["server"]["version"].startswith(server)
    assert results["blob"]["sha256"] == files.blob_sha256
    assert results["tls"]["user"] == "elx@%" and results["tls"]["cipher"]


@pytest.mark.parametrize("client,server", PAIRS)
@pytest.mark.parametrize("listener", ["tools", "elexis"])
def test_accounts(servers, gates, clients, pki, client, server, listener):
    """parsec: 11.8's own, several rounds of AuthMoreData behind the AuthSwitch."""
    names = ["acc_mysql_native_password", "acc_ed25519"] + (["acc_parsec"] if client == server == "11.8" else [])
    wanted = [f"login:{name}:{password}" for name in names for password in (PASSWORD, "wrong")]
    results = matrix.run(clients[client], target("gate", servers, gates, server, pki, listener), "accounts", wanted)
    for scenario, result in results.items():
        _, name, password = scenario.split(":")
        if password == PASSWORD:
            assert result.get("user") == f"{name}@%", result
        else:
            assert result["error"]["code"] == 1045


@pytest.mark.parametrize("client,server", PAIRS)
def test_dump(servers, gates, clients, pki, client, server):
    program = clients[f"dump {client}"]
    direct, gate = (matrix.run(program, target(way, servers, gates, server, pki), "dump", ["query"])["query"]
                    for way in ("direct", "gate"))
    assert direct == gate and direct["sequences"] == 1
