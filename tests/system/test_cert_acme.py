"""Let's Encrypt, played by Debian's pebble on this machine: certbot and lego get a certificate, their hook installs it."""
import json
import os
import shutil
import ssl
import urllib.request

import pytest

from lib import certs, paths, ports, process

pytestmark = pytest.mark.skipif(shutil.which("pebble") is None, reason="pebble is not installed")

NAME = "db.praxis-muster.ch"


@pytest.fixture(scope="module")
def acme(session_folder):
    """A pebble that believes every challenge: what is tested comes after it."""
    folder = session_folder / "acme"
    folder.mkdir()
    process.run([paths.CLI, "cert", "init", "--dir", folder / "https", "--host", "localhost"])
    directory, management = ports.free_port(), ports.free_port()
    config = folder / "pebble.json"
    config.write_text(json.dumps({"pebble": {
        "listenAddress": f"127.0.0.1:{directory}", "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "https/server.pem"), "privateKey": str(folder / "https/server.key"),
        "httpPort": ports.free_port(), "tlsPort": ports.free_port(), "ocspResponderURL": "",
        "externalAccountBindingRequired": False}}))
    pebble = process.Child("pebble", ["pebble", "-config", config], folder / "pebble.log",
                           env=dict(os.environ, PEBBLE_VA_ALWAYS_VALID="1", PEBBLE_VA_NOSLEEP="1"))
    context = ssl.create_default_context(cafile=str(folder / "https/ca.pem"))

    def root():
        try:
            return urllib.request.urlopen(f"https://localhost:{management}/roots/0", context=context, timeout=5).read()
        except OSError:
            assert pebble.alive(), pebble.log()
            return None

    (folder / "root.pem").write_bytes(process.wait_until(root, 30, "pebble ready"))
    yield f"https://localhost:{directory}/dir", folder
    pebble.stop()


def environment(folder, acme_folder):
    config = folder / "elexgate.ini"
    config.write_text(f"[tls]\ncertificate = {folder}/tls/server.pem\nkey = {folder}/tls/server.key\n"
                      f"[proxy]\ncontrol_socket = {folder}/none.sock\n")
    return dict(os.environ, ELEXGATE_CLI=str(paths.CLI), ELEXGATE_CONFIG=str(config),
                ELEXGATE_TRUST=str(acme_folder / "root.pem"), REQUESTS_CA_BUNDLE=str(acme_folder / "https/ca.pem"),
                LEGO_CA_CERTIFICATES=str(acme_folder / "https/ca.pem"))


def verify(folder, acme_folder):
    server = (folder / "tls/server.pem").read_text()
    assert server.count("BEGIN CERTIFICATE") >= 2  # the intermediate came along
    (folder / "chain.pem").write_text(server)
    process.run(["openssl", "verify", "-x509_strict", "-CAfile", acme_folder / "root.pem", "-untrusted",
                 folder / "chain.pem", "-verify_hostname", NAME, folder / "tls/server.pem"])
    return server


@pytest.mark.skipif(shutil.which("certbot") is None, reason="certbot is not installed")
def test_certbot(folder, acme):
    url, acme_folder = acme
    env = environment(folder, acme_folder)
    common = ["--non-interactive", "--config-dir", folder / "c", "--work-dir", folder / "w", "--logs-dir", folder / "l",
              "--server", url]
    process.run(["certbot", "certonly", *common, "--standalone", "--http-01-port", str(ports.free_port()), "--agree-tos",
                 "--register-unsafely-without-email", "-d", NAME, "--deploy-hook",
                 paths.ROOT / "scripts/acme-hook-certbot"], 120, env=env)
    first = verify(folder, acme_folder)
    # The hook is remembered: a renewal needs no further word.
    process.run(["certbot", "renew", *common, "--force-renewal", "--no-random-sleep-on-renew"], 120, env=env)
    assert verify(folder, acme_folder) != first


@pytest.mark.skipif(shutil.which("lego") is None, reason="lego is not installed")
def test_lego(folder, acme):
    url, acme_folder = acme
    env = environment(folder, acme_folder)
    common = ["lego", "--server", url, "--accept-tos", "--email", "admin@praxis-muster.ch", "--path", folder / "lego",
              "--domains", NAME, "--http", "--http.port", f"127.0.0.1:{ports.free_port()}"]
    hook = paths.ROOT / "scripts/acme-hook-lego"
    process.run([*common, "run", "--run-hook", hook], 120, env=env)
    first = verify(folder, acme_folder)
    process.run([*common, "renew", "--days", "9999", "--no-random-sleep", "--renew-hook", hook], 120, env=env)
    assert verify(folder, acme_folder) != first


@pytest.mark.parametrize("hook", ["certbot", "lego"])
def test_hooks_called_by_hand_say_what_they_are(hook):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LEGO_", "RENEWED_"))}
    result = process.run([paths.ROOT / f"scripts/acme-hook-{hook}"], 20, False, env=env)
    assert result.returncode != 0 and "hook" in result.stderr


@pytest.mark.parametrize("hook,variables", [
    ("certbot", ["RENEWED_LINEAGE"]), ("lego", ["LEGO_CERT_PATH", "LEGO_CERT_KEY_PATH"]),
    ("lego", ["LEGO_HOOK_CERT_PATH", "LEGO_HOOK_CERT_KEY_PATH"])])
def test_a_hook_fails_loudly(folder, hook, variables):
    """Whatever is wrong with the certificate, the ACME client must hear of it by the exit status."""
    env = dict(environment(folder, folder), **{v: str(folder / "nowhere") for v in variables})
    result = process.run([paths.ROOT / f"scripts/acme-hook-{hook}"], 20, False, env=env)
    assert result.returncode != 0 and "nowhere" in result.stderr
    assert not (folder / "tls/server.pem").exists()


@pytest.mark.parametrize("hook,variables", [("certbot", {"RENEWED_LINEAGE": ""}),
                                            ("lego", {"LEGO_CERT_PATH": "/fullchain.pem", "LEGO_CERT_KEY_PATH": "/privkey.pem"})])
def test_another_sites_certificate_is_refused(folder, hook, variables):
    """renewal-hooks/deploy: certbot calls the hook for every lineage of the machine."""
    pki = certs.Pki(folder / "pki")
    def lineage(name, **names):
        leaf = pki.ca.issue(name, **names)
        (folder / name).mkdir()
        shutil.copy(leaf.certificate, folder / name / "fullchain.pem")
        shutil.copy(leaf.key, folder / name / "privkey.pem")
        env = dict(environment(folder, folder), ELEXGATE_TRUST=str(pki.ca_file), **{k: f"{folder}/{name}{v}" for k, v in variables.items()})
        return process.run([paths.ROOT / f"scripts/acme-hook-{hook}"], 20, False, env=env)
    served = lambda: (folder / "tls/server.pem").read_bytes()
    assert lineage("practice", dns=("db.praxis.example", "praxis.example"), ips=()).returncode == 0
    before = served()
    for name, dns in (("shop", ("shop.example",)), ("part", ("praxis.example",)), ("deeper", ("*.db.praxis.example", "praxis.example"))):
        other = lineage(name, dns=dns, ips=())
        assert other.returncode != 0 and "lacks the name db.praxis.example" in other.stderr and served() == before, name
    assert lineage("renewed", dns=("*.praxis.example", "praxis.example", "new.example"), ips=()).returncode == 0 and served() != before
