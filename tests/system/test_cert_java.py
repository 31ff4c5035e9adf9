"""The files that `elexgate cert` makes, in the hands of Java: keytool, and MariaDB Connector/J over real TLS.

The server is MariaDB's own TLS with our certificates, so that a fault in the proxy cannot hide one in them.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import zipfile

import pytest

from lib import paths, process

JAR = pathlib.Path("/usr/share/java/mariadb-java-client.jar")

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None or shutil.which("keytool") is None, reason="no JDK"),
    pytest.mark.skipif(not JAR.exists(), reason="libmariadb-java is not installed"),
]

# Prints the cipher on success, the chain of causes on failure. URL parameters come from the command line.
PROGRAM = """
import java.sql.*;

public final class Login {
    public static void main(String[] args) throws Exception {
        try (Connection c = DriverManager.getConnection(args[0], args[1], args[2]);
             ResultSet r = c.createStatement().executeQuery("SHOW STATUS LIKE 'Ssl_version'")) {
            r.next();
            System.out.println("connected with " + r.getString(2));
        } catch (SQLException e) {
            for (Throwable t = e; t != null; t = t.getCause()) {
                System.out.println("refused: " + t.getClass().getSimpleName() + ": " + t.getMessage());
            }
        }
    }
}
"""


def cert(*args):
    env = dict(os.environ, LANG="C", LC_ALL="C")
    return json.loads(process.run([paths.CLI, "cert", *args, "--json"], 60, env=env).stdout)


@pytest.fixture(scope="module")
def tls(session_folder):
    """Certificates of a practice, the files exported for its workstations, and a compiled program."""
    folder = session_folder / "certjava"
    folder.mkdir()
    # The client goes to localhost; "wrong.lan" is a name that nobody asks for.
    cert("init", "--dir", folder / "good", "--host", "localhost", "--ip", "127.0.0.1")
    cert("init", "--dir", folder / "rsa", "--host", "localhost", "--rsa")
    cert("init", "--dir", folder / "elsewhere", "--host", "wrong.lan")
    for name in ("good", "rsa", "elsewhere"):
        cert("export", "--dir", folder / name, "--for", "jdbc", "--out", folder / f"{name}-export")
    (folder / "Login.java").write_text(PROGRAM)
    process.run(["javac", "-d", folder, folder / "Login.java"], 120)
    return folder


def login(tls, port, user="tester", password="geheim", host="localhost", **options):
    url = f"jdbc:mariadb://{host}:{port}/?" + "&".join(f"{k}={v}" for k, v in options.items())
    return process.run(["java", "-cp", f"{tls}:{JAR}", "Login", url, user, password], 60).stdout


def trust(tls, name):
    return {"useSsl": "true", "trustStore": f"file:{tls}/{name}-export/elexgate-trust.p12", "trustStoreType": "PKCS12",
            "trustStorePassword": "elexgate"}


def test_keytool_finds_trusted_certificates(tls):
    fingerprint = cert("fingerprint", tls / "good/ca.pem")["fingerprint_sha256"]
    listed = process.run(["keytool", "-list", "-storetype", "PKCS12", "-storepass", "elexgate", "-keystore",
                          tls / "good-export/elexgate-trust.p12"], 60).stdout
    assert "elexgate," in listed and "trustedCertEntry" in listed
    assert fingerprint in listed.replace(":", "")


@pytest.mark.parametrize("old_format", [False, True])
def test_keytool_reads_key_stores(tls, old_format):
    made = cert("client", f"keytool {old_format}", "--dir", tls / "good", *(["--old-format"] if old_format else []))
    password = pathlib.Path(made["password_file"]).read_text().strip()
    listed = process.run(["keytool", "-list", "-storepass", password, "-keystore", made["pkcs12_file"]], 60).stdout
    assert "PrivateKeyEntry" in listed
    assert made["certificate"]["fingerprint_sha256"] in listed.replace(":", "")


@pytest.fixture
def tls_server(make_server, tls):
    def make(name, *args):
        server = make_server(certificate=tls / name / "server.pem", key=tls / name / "server.key", args=[*args, "--connect-timeout=60"])
        server.sql("CREATE USER tester@'%' IDENTIFIED BY 'geheim' REQUIRE SSL")
        return server
    return make


@pytest.mark.parametrize("name", ["good", "rsa"])
def test_connector_j_verifies_our_chain(tls, tls_server, name):
    server = tls_server(name)
    assert "connected with TLSv1.3" in login(tls, server.port, **trust(tls, name))
    # The CA alone, as PEM
    assert "connected with TLSv1" in login(
        tls, server.port, useSsl="true", serverSslCert=tls / f"{name}-export/elexgate-ca.pem")
    # By address: only the first certificate names it
    by_address = login(tls, server.port, host="127.0.0.1", **trust(tls, name))
    assert ("connected" in by_address) == (name == "good"), by_address
    # Without a trust store Java does not know the CA, with another practice's neither.
    assert "unable to find valid certification path" in login(tls, server.port, useSsl="true")
    assert "refused: " in login(tls, server.port, **trust(tls, "elsewhere"))


def test_connector_j_refuses_another_name(tls, tls_server):
    server = tls_server("elsewhere")
    refused = login(tls, server.port, **trust(tls, "elsewhere"))
    assert "connected" not in refused and "wrong.lan" in refused
    assert "connected with" in login(
        tls, server.port, **trust(tls, "elsewhere"), disableSslHostnameVerification="true")


def test_client_certificates_in_java(tls, tls_server):
    """Mutual TLS: the server wants a certificate of our CA, Java takes the PKCS#12 as it is; a revoked one is out."""
    made = cert("client", "empfang-1", "--dir", tls / "good")
    password = pathlib.Path(made["password_file"]).read_text().strip()
    cert("client", "verloren", "--dir", tls / "good")
    cert("revoke", "verloren", "--dir", tls / "good")
    ca = f"--ssl-ca={tls}/good/ca.pem"
    server = tls_server("good", ca)
    server.sql("CREATE USER mutual@'%' IDENTIFIED BY 'geheim' REQUIRE SUBJECT '/CN=empfang-1'")
    keys = {"keyStore": f"file:{made['pkcs12_file']}", "keyStoreType": "PKCS12", "keyStorePassword": password}
    assert "connected with TLSv1.3" in login(tls, server.port, user="mutual", **trust(tls, "good"), **keys)
    assert "Access denied" in login(tls, server.port, user="mutual", **trust(tls, "good"))
    server.stop()
    # With the list: the good one still goes in, the revoked one fails in the handshake.
    server = tls_server("good", ca, f"--ssl-crl={tls}/good/crl.pem")
    server.sql("CREATE USER mutual@'%' IDENTIFIED BY 'geheim' REQUIRE X509")
    assert "connected with" in login(tls, server.port, user="mutual", **trust(tls, "good"), **keys)
    gone = tls / "good/clients/verloren"
    keys = {"keyStore": f"file:{gone}/client.p12", "keyStoreType": "PKCS12",
            "keyStorePassword": (gone / "client.password").read_text().strip()}
    assert "connected" not in login(tls, server.port, user="mutual", **trust(tls, "good"), **keys)


def test_mariadb_client_as_the_page_says(tls, tls_server):
    server = tls_server("good")
    env = dict(os.environ, MYSQL_PWD="geheim")
    command = ["mariadb", "--no-defaults", "--protocol=tcp", "--host=localhost", f"--port={server.port}", "--user=tester",
               "--ssl-verify-server-cert", "-e", "SELECT 1"]
    process.run([*command, f"--ssl-ca={tls}/good-export/elexgate-ca.pem"], 30, env=env)
    other = process.run([*command, f"--ssl-ca={tls}/rsa-export/elexgate-ca.pem"], 30, check=False, env=env)
    assert other.returncode != 0 and "SSL" in other.stderr


def test_from_the_package_alone(tls, tls_server):
    """Somebody who has nothing but the ZIP: the command that it says to try first, as it stands there, and Java with its trust store,
    come in over verified TLS; with the package of another practice neither does."""
    server = tls_server("good")
    for name, good in (("good", True), ("elsewhere", False)):
        out = tls / f"{name}-package"
        cert("export", "--dir", tls / name, "--for", "package", "--out", out, "--port", str(server.port), *([] if good else ["--host", "wrong.lan"]))
        unpacked = tls / f"{name}-unpacked"
        with zipfile.ZipFile(out / "elexgate-workstation.zip") as z:
            z.extractall(unpacked)
        text = (unpacked / "instructions-package.txt").read_text()
        host, port = re.search(r"MySQL\n\s+(\S+)\n\s+(\d+)", text).groups()
        command = re.search(r"^\s+(mariadb --no-defaults .*)$", text, re.M)[1].replace("wrong.lan", "localhost").replace("USER", "tester").replace(
            "--password ", "--password=geheim ")
        done = subprocess.run(["sh", "-c", command], cwd=unpacked, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0 and "Cipher in use is TLS_" in done.stdout) == good and ("certificate" in done.stderr) != good, done
        named = dict(re.findall(r"(trustCertificateKeyStore\w+)=([^&]+)", (unpacked / "line-macos-linux.txt").read_text()))
        store = unpacked / pathlib.PurePosixPath(named["trustCertificateKeyStoreUrl"]).name
        told = login(tls, int(port), host="localhost" if not good else host, trustStore=store.as_uri(), trustStoreType=named["trustCertificateKeyStoreType"],
                     trustStorePassword=named["trustCertificateKeyStorePassword"], useSsl="true")
        assert told.startswith("connected with TLS") == good, told
