"""Every kind of account with every client, directly and through the gate: who gets in gets in, who does not gets the
server's own error. What counts is that the gate changes nothing, and that nobody is let in or kept out by mistake.
"""
import re

import pytest

import clients_matrix as matrix

pytestmark = pytest.mark.sanitize

# Clients with the ed25519 plugin. The others say that they do not have it; the server never hears more of them.
KNOW_ED25519 = {"mariadb", "mariadb-dump", "libmariadb", "connector-j", "mariadb-npm", "pymysql", "dbd-mariadb"}
# PyMySQL 1.0.2 loses count at a second switch.
CANNOT = {("pymysql", "ed25519_then_native"), ("pymysql", "unknown")}
CLIENTS = [c for c in matrix.SCENARIOS if c != "mariadb-dump"]
LONG = "langerBenutzername" * 4  # 72 characters; MariaDB allows 128
PASSWORD = matrix.PASSWORD

# What the accounts are for, and what the login must give: CURRENT_USER(), or the server's error.
ACCOUNTS = {
    "native": ("acc_native", PASSWORD, "acc_native@%"),
    # Always an AuthSwitch: clients start with mysql_native_password, which is in the greeting.
    "ed25519": ("acc_ed25519", PASSWORD, "acc_ed25519@%"),
    "ed25519_wrong": ("acc_ed25519", "not the password", 1045),
    "empty": ("acc_empty", "", "acc_empty@%"),
    "empty_expected": ("acc_empty", "something", 1045),
    "empty_sent": ("acc_native", "", 1045),
    "unknown": ("acc_nobody", PASSWORD, 1045),
    # Two methods: the first fails, the server switches to the second. For every client an AuthSwitch ...
    "two_natives": ("acc_two_natives", PASSWORD, "acc_two_natives@%"),
    # ... and here two of them, one after the other.
    "ed25519_then_native": ("acc_ed_native", PASSWORD, "acc_ed_native@%"),
    "long_name": (LONG, PASSWORD, f"{LONG}@%"),
    "umlaut_name": ("müller", PASSWORD, "müller@%"),
    "long_password": ("acc_long", "x" * 200, "acc_long@%"),
    "locked": ("acc_locked", PASSWORD, 4151),
    "other_host": ("acc_elsewhere", PASSWORD, 1045),
}


@pytest.fixture(scope="module")
def programs():
    return matrix.build_programs()


@pytest.fixture(scope="module")
def server(session_folder, template, pki):
    server = matrix.start_server(session_folder / "auth-db", template, pki)
    # Over a unix socket the server sees the client on "localhost", over TCP on 127.0.0.1; '%' is both.
    server.sql(f"""
        CREATE USER acc_native IDENTIFIED VIA mysql_native_password USING PASSWORD('{PASSWORD}');
        CREATE USER acc_ed25519 IDENTIFIED VIA ed25519 USING PASSWORD('{PASSWORD}');
        CREATE USER acc_empty IDENTIFIED VIA mysql_native_password USING '';
        CREATE USER acc_two_natives IDENTIFIED VIA mysql_native_password USING PASSWORD('x') OR
            mysql_native_password USING PASSWORD('{PASSWORD}');
        CREATE USER acc_ed_native IDENTIFIED VIA ed25519 USING PASSWORD('x') OR
            mysql_native_password USING PASSWORD('{PASSWORD}');
        CREATE USER `{LONG}` IDENTIFIED BY '{PASSWORD}';
        CREATE USER `müller` IDENTIFIED BY '{PASSWORD}';
        CREATE USER acc_long IDENTIFIED BY '{"x" * 200}';
        CREATE USER acc_locked IDENTIFIED BY '{PASSWORD}' ACCOUNT LOCK;
        CREATE USER acc_elsewhere@'192.0.2.1' IDENTIFIED BY '{PASSWORD}';
        CREATE USER acc_ssl IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;
        GRANT ALL ON *.* TO acc_native, acc_ed25519, acc_empty, acc_two_natives, acc_ed_native, `{LONG}`, `müller`,
            acc_long, acc_locked, acc_ssl;
    """)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def gates(session_folder, server, pki):
    folder = session_folder / "auth-gates"
    folder.mkdir()
    gates = matrix.start_gates(folder, server, pki)
    yield gates
    for gate in gates.values():
        gate.stop()


@pytest.fixture(scope="module")
def logins(request, programs, server, pki):
    """logins(way, client) -> {account: result}; each pair runs once."""
    known = {}

    def get(way, client):
        if (way, client) not in known:
            gates = request.getfixturevalue("gates") if way != "direct" else None
            names = {key: f"login:{user}:{password}" for key, (user, password, _) in ACCOUNTS.items()}
            got = matrix.run(programs[client], matrix.target(way, server, gates, pki), f"{way}-{client}", list(names.values()))
            known[way, client] = {key: got[name] for key, name in names.items()}
        return known[way, client]
    return get


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("way", matrix.WAYS)
def test_account(logins, way, client, account):
    result = logins(way, client)[account]
    expected = ACCOUNTS[account][2]
    direct = logins("direct", client)[account]
    if client not in KNOW_ED25519 and ("ed25519" in account or account == "unknown") or (client, account) in CANNOT:
        # (The server asks an unknown user for some account's plugin, so that nobody learns who exists.)
        # What PyMySQL sends then is no proof: the server just closes and counts it, the gate says so itself.
        assert outcome(result) == outcome(direct) or (client, account) in CANNOT and result["error"]["code"] == 1043
        assert "error" in result or account == "ed25519_then_native"
    elif isinstance(expected, int):
        assert result["error"]["code"] == expected, result
        if way == "gate":
            assert message(result) == message(direct)
    else:
        assert "error" not in result, result
        assert result["user"] == expected


def outcome(result):
    return result.get("user"), "error" in result and result["error"]["code"]


def message(result):
    """Connector/J adds the port and the connection's number to the server's words."""
    return re.sub(r"\(conn=\d+\)|\(port=\d+\)", "", result["error"]["message"])


@pytest.mark.parametrize("client", ["libmariadb", "mariadb"])
@pytest.mark.parametrize("way", matrix.WAYS)
def test_client_starts_with_another_plugin(request, programs, server, pki, way, client):
    """The client's first answer is made with ed25519, the account's plugin is another: the server switches."""
    gates = request.getfixturevalue("gates") if way != "direct" else None
    results = matrix.run(programs[client], matrix.target(way, server, gates, pki), f"{way}-{client}-default",
                         [f"login:acc_native:{PASSWORD}", "login:acc_empty:", "login:acc_native:wrong", "login:acc_ed25519:" + PASSWORD],
                         env={"ELX_DEFAULT_AUTH": "client_ed25519"})
    native, empty, wrong, ed25519 = results.values()
    assert (native.get("user"), empty.get("user"), ed25519.get("user")) == ("acc_native@%", "acc_empty@%", "acc_ed25519@%"), results
    assert wrong["error"]["code"] == 1045


@pytest.mark.parametrize("client", [c for c, scenarios in matrix.SCENARIOS.items() if matrix.SECOND in scenarios])
@pytest.mark.parametrize("way", matrix.WAYS)
def test_change_user_switches_plugin(request, programs, server, pki, way, client):
    """COM_CHANGE_USER with an AuthSwitch in it, where sequence numbers go on from the command's."""
    gates = request.getfixturevalue("gates") if way != "direct" else None
    account = "acc_ed25519" if client in KNOW_ED25519 else "acc_two_natives"
    scenario = f"change_user:{account}:{PASSWORD}"
    result = matrix.run(programs[client], matrix.target(way, server, gates, pki), f"{way}-{client}-change", [scenario])[scenario]
    assert result.get("user") == f"{account}@%" and result["database"] == matrix.DATABASE, result
    assert result["refused"]["code"] == 1045


def test_account_that_requires_ssl(request, programs, server, pki):
    """REQUIRE SSL looks at the server's own link, which is in clear behind the gate: refused, by the server."""
    wanted = f"login:acc_ssl:{PASSWORD}"
    direct = matrix.run(programs["libmariadb"], matrix.target("direct", server, None, pki), "ssl", [wanted])[wanted]
    assert direct["user"] == "acc_ssl@%"
    gates = request.getfixturevalue("gates")
    behind = matrix.run(programs["libmariadb"], matrix.target("gate", server, gates, pki), "ssl", [wanted])[wanted]
    assert behind["error"]["code"] == 1045
