"""elexgate-console as a program on the network: what it lets in, what it keeps out, and what it outlives."""
import base64
import concurrent.futures
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import socketserver
import ssl
import threading
import time

import pytest

from lib import load, paths, process
from lib.backup import Backup
from lib.certs import Authority
from lib.console import PASSWORD, Console
from lib.gate import write_config
from lib.sealed import OVERHEAD, SIZE

pytestmark = pytest.mark.sanitize
PAGES = ["/", "/clients", "/schedule", "/backups", "/restore", "/certificates", "/log", "/account"]
ADMIN_POSTS = ["/clients/name", "/clients/kill", "/clients/block", "/clients/open", "/clients/admit", "/schedule", "/backup", "/job/cancel", "/backups/verify",
               "/backups/drill", "/backups/mark", "/backups/delete", "/restore", "/restore/undo", "/restore/accept", "/uploads/remove",
               "/certificates/make", "/certificates/renew", "/certificates/back", "/certificates/install", "/account/add", "/account/role",
               "/account/remove"]


@pytest.fixture
def make_console(folder, pki):
    made = []

    def make(options=None, **kwargs):
        console = Console(folder / f"c{len(made)}", pki, options, **kwargs)
        made.append(console)
        return console.start()

    yield make
    for console in made:
        console.stop()


@pytest.fixture
def console(make_console):
    return make_console()


class Fake:
    """A control socket that answers with what the test gives: {"cmd": answer, or a function that returns it}. For what a
    real program will not say."""

    def __init__(self, path, answers):
        self.answers, self.asked = answers, []
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    request = json.loads(line)
                    fake.asked.append(request)
                    answer = fake.answers.get(request["cmd"], {"ok": False, "code": "ENOSYS", "error": "unknown"})
                    if callable(answer):
                        answer = answer()
                    self.wfile.write(json.dumps(answer).encode() + b"\n")

        self.server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def make_fake():
    fakes = []

    def make(path, answers):
        fakes.append(Fake(path, answers))
        return fakes[-1]

    yield make
    for fake in fakes:
        fake.close()


def raw(console, data, timeout=30):
    """Sends bytes and reads what comes, to the end or until nothing more does."""
    got = b""
    with console.connect(timeout) as s:
        try:
            s.sendall(data)
            while True:
                chunk = s.recv(65536)
                if not chunk:
                    break
                got += chunk
        except (OSError, ssl.SSLError):
            pass
    return got


# --- sign-in -----------------------------------------------------------------------------------------------------------

def test_the_link_makes_one_account_and_no_second(console):
    link, token = console.link(), console.link().split("token=")[1]
    assert (console.state / "setup-link").stat().st_mode & 0o777 == 0o600
    browser = console.browser()
    assert browser.get("/").status == 303
    assert browser.get("/setup?token=wrong").status == 403
    assert browser.get(link).status == 200
    assert browser.post("/setup", token=token, name="admin", password="short", again="short").status == 422
    assert browser.post("/setup", token=token, name="admin", password=PASSWORD, again=PASSWORD + "x").status == 422
    done = browser.post("/setup", token=token, name="admin", password=PASSWORD, again=PASSWORD)
    assert (done.status, done.headers["Location"]) == (303, "/")
    assert browser.get("/").status == 200
    other = console.browser()
    other.get("/login")
    assert other.get(link).status == 403
    assert other.post("/setup", token=token, name="evil", password=PASSWORD, again=PASSWORD).status == 403
    assert not (console.state / "setup-link").exists()
    console.stop()
    console.start()
    assert "first-start" not in console.process.log().split("event=stopped")[-1]


def test_it_has_shut_itself_in(console):
    with open(f"/proc/{console.process.pid}/status") as status:
        assert "\nSeccomp:\t2\n" in status.read()


def test_the_log_does_not_hold_the_link(console):
    assert "first-start" in console.process.log() and str(console.state / "setup-link") in console.process.log()
    assert console.link().split("token=")[1] not in console.process.log() and "token=" not in console.process.log()


# --- a code besides the password -------------------------------------------------------------------------------------------

def code_of(secret, at=None):
    """RFC 6238 once more, written for the test."""
    key, step = base64.b32decode(secret), int((time.time() if at is None else at) // 30)
    digest = hmac.new(key, step.to_bytes(8, "big"), "sha1").digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"


def fields_of(page):
    return dict(re.findall(r'<input type="hidden" name="(next|name|until|sign)" value="([^"]*)"', page))


def switch_code_on(browser):
    """The secret and the codes for when the phone is lost."""
    begun = browser.do("/account/code/begin", own_password=PASSWORD).json
    secret = begun["secret"]
    assert secret in begun["uri"] and begun["qr"].startswith("<svg")
    assert browser.do("/account/code/on", secret=secret, code="000000", own_password=PASSWORD).status == 422
    assert browser.do("/account/code/on", secret=secret, code=code_of(secret), own_password=PASSWORD + "x").status == 422
    # of the step before, so that the present one is still unused
    on = browser.do("/account/code/on", secret=secret, code=code_of(secret, time.time() - 30), own_password=PASSWORD).json
    assert len(on["recovery"]) == 10
    return secret, on["recovery"]


def test_signing_in_with_a_code(console):
    admin = console.admin()
    assert admin.do("/account/code/begin", own_password="wrong").status == 422
    secret, recovery = switch_code_on(admin)
    assert secret not in console.process.log()
    browser = console.browser()
    page = browser.sign_in("admin")
    assert page.status == 200 and 'name="code"' in page.text and browser.get("/").status == 303  # not in yet
    fields = fields_of(page.text)
    assert browser.post("/login", **fields, code="000000").status == 401
    # what says that the password was right is this browser's, this account's, and not to be made up
    other = console.browser()
    other.get("/login")
    assert other.post("/login", **fields, code=code_of(secret)).status == 401 and other.get("/").status == 303
    assert browser.post("/login", **{**fields, "until": str(int(fields["until"]) + 1)}, code=code_of(secret)).status == 401
    assert browser.post("/login", **{**fields, "name": "eve"}, code=code_of(secret)).status == 401
    code = code_of(secret)
    assert browser.post("/login", **fields, code=code).status == 303 and browser.get("/").status == 200
    # each once
    third = console.browser()
    fields = fields_of(third.sign_in("admin").text)
    assert third.post("/login", **fields, code=code).status == 401
    assert third.post("/login", **fields, code=recovery[0].upper()).status == 303
    fourth = console.browser()
    fields = fields_of(fourth.sign_in("admin").text)
    assert fourth.post("/login", **fields, code=recovery[0]).status == 401
    # another admin helps whoever lost his phone
    assert admin.do("/account/add", name="second", role="admin", password=PASSWORD).json["ok"]
    second = console.browser()
    assert second.sign_in("second").status == 303
    second.get("/account")
    assert second.do("/account/code/off", name="admin", own_password=PASSWORD).json["ok"]
    assert console.browser().sign_in("admin").status == 303


def test_a_practice_that_requires_codes(console):
    console.admin()
    console.stop()
    console.sections["console"]["require_totp"] = "yes"
    console.start()
    browser = console.browser()
    assert browser.sign_in("admin").status == 303
    assert browser.get("/").headers["Location"] == "/account" and browser.get("/account").status == 200
    assert browser.get("/api/overview").status == 403
    assert browser.do("/clients/block", reason="x").status == 403
    switch_code_on(browser)
    assert browser.get("/").status == 200


def test_a_known_browser_is_not_locked_out(console):
    admin = console.admin()
    known = {k: v for k, v in admin.cookies.items() if "device" in k}
    assert known
    stranger = console.browser()
    stranger.get("/login")
    for _ in range(12):
        stranger.post("/login", name="admin", password="guessed wrongly")
    assert stranger.sign_in("admin").status == 429  # the whole network waits, and the account
    again = console.browser()
    again.cookies.update(known)
    assert again.sign_in("admin").status == 303
    forged = console.browser()
    forged.cookies.update({k: v[:-1] + ("A" if v[-1] != "A" else "B") for k, v in known.items()})
    assert forged.sign_in("admin").status == 429


def test_metrics_behind_a_proxy_of_this_machine(console):
    browser = console.browser()
    assert browser.get("/metrics").status == 200
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert browser.request("GET", "/metrics", headers={header: "192.0.2.1"}).status == 401, header


ONE_NETWORK = """
import socket, ssl, sys
port, ca = int(sys.argv[1]), sys.argv[2]
def connect(source):
    s = socket.create_connection(("192.0.2.1", port), 5, (source, 0))
    s.settimeout(5)
    return s
def served(s):
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    try:
        with context.wrap_socket(s) as t:
            t.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            return t.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
held = [connect("192.0.2.2") for _ in range(40)]
print(served(connect("192.0.2.2")), served(connect("192.0.2.3")), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2 for a network of its own")
def test_one_network_cannot_have_all_connections(folder, pki):
    """40 silent connections of one address, of 40 that there are: it gets no further one, another address does."""
    c = Console(folder / "c", pki, options={"address": "192.0.2.1", "max_connections": 40})
    (folder / "client.py").write_text(ONE_NETWORK.replace("\\\\", "\\"))
    write_config(c.config, c.sections)
    script = folder / "run"
    script.write_text(f"""ip link set lo up; for a in 1 2 3; do ip addr add 192.0.2.$a/24 dev lo; done
{paths.CONSOLE} --config {c.config} >{folder}/log 2>&1 & pid=$!
for i in $(seq 200); do grep -q event=ready {folder}/log && break; sleep 0.1; done
/usr/bin/python3 {folder}/client.py {c.port} {c.ca}; kill $pid; wait $pid
""")
    done = process.run(["unshare", "--net", "sh", script], timeout=60, check=False)
    assert done.stdout.split() == ["False", "True"], (done.stdout, done.stderr, (folder / "log").read_text()[-2000:])


def test_two_at_the_same_moment_make_one_account(console):
    token, browsers = console.link().split("token=")[1], [console.browser() for _ in range(4)]
    for browser in browsers:
        browser.get(console.link())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda i: browsers[i].post("/setup", token=token, name=f"a{i}", password=PASSWORD, again=PASSWORD).status,
                             range(4)))
    assert sorted(done)[0] == 303 and done.count(303) == 1, done
    assert len(json.loads((console.state / "accounts.json").read_text())["accounts"]) == 1


def test_what_lies_on_the_disk_lets_nobody_in(console):
    browser = console.admin()
    accounts, sessions = console.state / "accounts.json", console.state / "sessions.json"
    assert accounts.stat().st_mode & 0o777 == 0o600 and sessions.stat().st_mode & 0o777 == 0o600
    assert "$argon2id$" in accounts.read_text() and PASSWORD not in accounts.read_text()
    assert browser.session not in sessions.read_text()
    for stored in json.loads(sessions.read_text())["sessions"]:
        thief = console.browser()
        thief.cookies["__Host-elexgate"] = stored
        assert thief.get("/").status == 303


def test_the_session_has_another_id_after_signing_in(console):
    console.admin()
    browser = console.browser()
    browser.get("/login")
    before = browser.session
    assert browser.sign_in("admin").status == 303
    after = browser.session
    assert before != after
    fixed = console.browser()
    fixed.cookies["__Host-elexgate"] = before
    assert fixed.get("/").status == 303
    # a value that an attacker chose is never a session, and not taken over either
    fixed.cookies["__Host-elexgate"] = "A" * 43
    fixed.sign_in("admin")
    assert fixed.session != "A" * 43 and fixed.get("/").status == 200


def test_cookie_and_headers(console):
    answer = console.browser().get("/login")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-elexgate=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    for page in (answer, console.browser().get("/assets/app.css"), console.browser().get("/nothing"), console.browser().get("/")):
        policy = page.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"


def test_sessions_end(make_console):
    console = make_console({"session_idle": "1m"})
    browser = console.admin()
    assert browser.get("/").status == 200
    console.stop()
    path = console.state / "sessions.json"
    stored = json.loads(path.read_text())
    for session in stored["sessions"].values():
        session["seen"] -= 61_000
    path.write_text(json.dumps(stored))
    path.chmod(0o600)
    console.start()
    assert browser.get("/").status == 303
    assert browser.get("/api/overview").status == 401
    browser.sign_in("admin")
    assert browser.get("/").status == 200
    token = browser.csrf
    assert browser.post("/logout").status == 303
    assert browser.get("/").status == 303
    assert browser.post("/account/password", csrf=token, old=PASSWORD, new=PASSWORD, again=PASSWORD).status == 401


def test_a_new_password_signs_out_everywhere_else(console):
    here, there = console.admin(), console.admin()
    new = PASSWORD + " neu"
    assert here.do("/account/password", old="wrong", new=new, again=new).status == 422
    done = here.do("/account/password", old=PASSWORD, new=new, again=new)
    assert done.status == 200 and done.json["ok"]
    assert here.get("/").status == 200
    assert there.get("/").status == 303
    assert there.sign_in("admin").status == 401
    assert there.sign_in("admin", new).status == 303


def test_guessing_is_slowed_down(console):
    console.admin()
    browser = console.browser()
    browser.get("/login")
    for _ in range(5):
        assert browser.post("/login", name="admin", password="falsch").status == 401
    answer = browser.post("/login", name="admin", password=PASSWORD)
    assert answer.status == 429 and int(answer.headers["Retry-After"]) > 0
    assert "warten" in answer.text
    # what is turned away unseen fills no log
    for _ in range(3):
        assert browser.post("/login", name="admin", password=PASSWORD).status == 429
    assert console.process.log().count("action=sign-in address=127.0.0.1 object=admin result=refused") == 5
    # somebody at another machine is not kept out
    elsewhere = console.browser(source="127.0.0.2")
    elsewhere.get("/login")
    assert elsewhere.post("/login", name="admin", password=PASSWORD).status == 303


# --- who may what ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("wrong", ["missing", "wrong", "of somebody else", "no cookie"])
def test_no_change_without_the_token(console, wrong):
    browser, other = console.admin(), console.admin()
    token = {"missing": None, "wrong": "x" * 43, "of somebody else": other.csrf, "no cookie": browser.csrf}[wrong]
    if wrong == "no cookie":
        browser.cookies.clear()
    for path in [*ADMIN_POSTS, "/logout", "/account/password"]:
        answer = browser.post(path, csrf=token, name="evil", role="admin", password=PASSWORD)
        assert answer.status in (401, 403), path
    login = console.browser()
    login.get("/login")
    assert login.post("/login", csrf=None if wrong == "missing" else "x", name="admin", password=PASSWORD).status == 403
    assert other.get("/").status == 200
    assert len(json.loads((console.state / "accounts.json").read_text())["accounts"]) == 1


def test_no_change_from_another_site(console):
    browser = console.admin()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "same-site"}):
        assert browser.post("/logout", headers=headers).status == 403
    assert browser.get("/").status == 200
    assert browser.post("/logout", headers={"Origin": f"https://localhost:{console.port}", "Sec-Fetch-Site": "same-origin"}).status == 303


def test_nothing_changes_by_get(console):
    browser = console.admin()
    for path in ADMIN_POSTS:
        if path not in ("/schedule", "/restore"):
            answer = browser.get(path)
            assert answer.status == 405 and answer.headers["Allow"] == "POST", path
    assert browser.request("PUT", "/").status == 405
    assert browser.request("DELETE", "/account").status == 405


def test_the_language_is_the_accounts(console):
    """Chosen by the switch below a page, in a cookie only before somebody signs in; the next browser, with other habits, has it."""
    admin = console.admin()
    language = lambda browser, path="/": re.search('<html lang="(..)"', browser.get(path).text)[1]
    assert language(admin) == "de"
    assert admin.post("/account/language", language="fr", next="/log").headers["Location"] == "/log"
    assert language(admin) == "fr" and "__Host-elexgate-lang" not in admin.cookies
    assert admin.post("/account/language", language="it", next="//evil.example/").headers["Location"] == "/account"

    elsewhere = console.browser(lang="en")
    assert language(elsewhere, "/login") == "en"
    elsewhere.get("/login?lang=fr")
    assert language(elsewhere, "/login") == "fr", "before signing in a cookie has it"
    elsewhere.sign_in("admin")
    assert language(elsewhere) == "it"

    assert admin.do("/account/add", name="mpa", role="viewer", password=PASSWORD).json["ok"]
    viewer = console.browser(lang="en")
    viewer.sign_in("mpa")
    assert language(viewer) == "en", "everybody's own"
    assert admin.post("/account/language", language="").status == 303
    assert language(admin) == "de", "the browser's again"


def test_a_viewer_reads_and_changes_nothing(console):
    admin = console.admin()
    assert admin.do("/account/add", name="mpa", role="viewer", password=PASSWORD).json["ok"]
    viewer = console.browser()
    assert viewer.sign_in("mpa").status == 303
    for page in PAGES:
        assert viewer.get(page).status == 200, page
    for path in ADMIN_POSTS:
        answer = viewer.post(path, name="mpa", role="admin", password=PASSWORD, sure="1", session="1")
        assert answer.status == 403, path
    assert viewer.request("POST", "/api/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1", "X-CSRF-Token": viewer.csrf}).status == 403
    assert "accounts" not in viewer.api("/api/overview")
    # taken away while he looks at it
    assert admin.do("/account/remove", name="mpa", sure="1").json["ok"]
    assert viewer.get("/").status == 303


def test_roles_and_accounts(console):
    admin = console.admin()
    assert admin.do("/account/remove", name="admin", sure="1").status == 422
    assert admin.do("/account/role", name="admin", role="viewer").status == 422
    assert admin.do("/account/add", name="<b>", role="viewer", password=PASSWORD).status == 422
    assert admin.do("/account/add", name="x", role="king", password=PASSWORD).status == 422
    assert admin.do("/account/add", name="two", role="viewer", password=PASSWORD).json["ok"]
    assert admin.do("/account/add", name="two", role="viewer", password=PASSWORD).status == 422
    assert admin.do("/account/role", name="two", role="admin").json["ok"]
    assert admin.do("/account/remove", name="admin", sure="1").json["ok"]
    assert admin.get("/").status == 303


# --- what the network sends --------------------------------------------------------------------------------------------

def test_oversized_heads_and_bodies(console):
    browser = console.admin()
    # the rest is not read, so that the answer may be lost with the connection
    refused = (b"", b"HTTP/1.1 413", b"HTTP/1.1 414", b"HTTP/1.1 431")
    assert raw(console, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")[:12] in refused
    assert raw(console, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")[:12] in refused
    assert raw(console, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + b"x" * 8000 + b"\r\n\r\n")[:12] == b"HTTP/1.1 303"
    assert browser.request("POST", "/logout", "csrf=" + "x" * 70_000,
                           {"Content-Type": "application/x-www-form-urlencoded"}).status == 413
    assert browser.request("POST", "/certificates/install", "csrf=" + "x" * 70_000,
                           {"Content-Type": "application/x-www-form-urlencoded"}).status == 403
    # announced small, or not at all, and sent large
    chunks = b"".join(b"1000\r\n" + b"x" * 0x1000 + b"\r\n" for _ in range(40)) + b"0\r\n\r\n"
    cookie = f"__Host-elexgate={browser.session}".encode()
    answer = raw(console, b"POST /logout HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: " + cookie +
                 b"\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n" + chunks)
    assert answer[:12] == b"HTTP/1.1 413"
    many = "&".join(f"a{i}=1" for i in range(300))
    assert browser.request("POST", "/logout", f"csrf={browser.csrf}&{many}", {"Content-Type": "application/x-www-form-urlencoded"}).status == 400
    assert browser.get("/").status == 200


@pytest.mark.parametrize("body,kind", [("a=%zz", "application/x-www-form-urlencoded"), ("a=%ff", "application/x-www-form-urlencoded"),
                                       ("{", "application/json"), ("[" * 5000, "application/json"), ("[]", "application/json")])
def test_damaged_bodies(console, body, kind):
    assert console.admin().request("POST", "/logout", body, {"Content-Type": kind}).status == 400


def test_other_kinds_of_body(console):
    assert console.admin().request("POST", "/logout", "x", {"Content-Type": "multipart/form-data; boundary=x"}).status == 415


def test_bytes_that_are_no_text(console):
    browser = console.admin()
    assert browser.get("/%ff%fe").status == 404
    assert browser.get("/restore?run=%ff&upload=%ff").status == 200
    assert browser.get("/log?q=%ff%00x").status == 200
    assert browser.get("/login?next=//evil.example/&lang=%ff").status == 303
    for junk in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", os.urandom(2000)):
        raw(console, junk, 5)
    assert browser.get("/").status == 200
    assert console.process.alive()


def test_signing_in_leads_nowhere_else(console):
    console.admin()
    for evil in ("//evil.example", "https://evil.example", "/\\evil.example", "/clients\r\nX: y", "javascript:alert(1)"):
        browser = console.browser()
        browser.get("/login")
        assert browser.post("/login", name="admin", password=PASSWORD, next=evil).headers["Location"] == "/"
    browser.get("/login")
    answer = console.browser().get("/clients")
    assert answer.headers["Location"] == "/login?next=/clients"


@pytest.mark.parametrize("path", ["/assets/../texts/page.json", "/assets/..%2f..%2f..%2f..%2fetc/passwd", "/assets/%2e%2e/pages/layout.html",
                                  "/assets//etc/passwd", "/assets/.hidden.css", "/assets/app.css%00.html", "/assets/", "/pages/layout.html"])
def test_no_file_but_the_assets(console, path):
    answer = console.browser().get(path)
    assert answer.status == 404 or (path.endswith(".html") and answer.status in (200, 404) and "text/css" in answer.headers["Content-Type"])
    assert b"root:" not in answer.body and b"<!doctype html>\n<html lang=\"{{lang}}\">" not in answer.body


@pytest.mark.slow
def test_slow_heads_end(console):
    """However slowly it drips: a first head that is not complete after ten seconds is over."""
    begin = time.monotonic()
    with console.connect(60) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        ended = None
        while time.monotonic() - begin < 50 and ended is None:
            try:
                s.sendall(b"X")
                s.settimeout(1)
                if s.recv(100) == b"":
                    ended = time.monotonic()
            except TimeoutError:
                continue
            except (ConnectionError, ssl.SSLError):
                ended = time.monotonic()
    assert ended is not None and ended - begin >= 5
    assert console.browser().get("/healthz").json["ok"]


def test_one_address_does_not_take_all_connections(make_console):
    console = make_console({"max_connections": 20})
    held = []
    try:
        for _ in range(25):
            try:
                held.append(socket.create_connection(("127.0.0.1", console.port), 10))
            except OSError:
                break
        assert console.browser(source="127.0.0.2").get("/healthz").status == 200
    finally:
        for s in held:
            s.close()
    process.wait_until(lambda: ready(console), 20, "connections again")


def ready(console):
    try:
        return console.browser().get("/healthz").status == 200
    except OSError:
        return False


def test_200_readers_at_once(console, make_fake):
    make_fake(console.folder / "proxy.sock", {"status": {"ok": True, "state": "open"}, "sessions": {"ok": True, "sessions": []}})
    keeper = make_fake(console.folder / "keeper.sock", {"status": {"ok": True, "schedule": {}, "witnesses": {}}})
    browser = console.admin()
    gate = threading.Barrier(200, timeout=60)

    def read(_):
        with console.connect(60) as s:
            gate.wait()
            s.sendall(f"GET /api/overview HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: __Host-elexgate={browser.session}\r\n\r\n".encode())
            got = b""
            while chunk := s.recv(65536):
                got += chunk
            return got[:12]

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        assert set(pool.map(read, range(200))) == {b"HTTP/1.1 200"}
    assert len([r for r in keeper.asked if r["cmd"] == "status"]) >= 200


def test_events_are_shared(console, make_fake):
    """Many pages that listen ask proxy and keeper once a second together."""
    proxy = make_fake(console.folder / "proxy.sock", {"status": {"ok": True, "state": "open", "uptime_ms": 5}, "sessions": {"ok": True, "sessions": []}})
    make_fake(console.folder / "keeper.sock", {"status": {"ok": True, "job": None}})
    browser = console.admin()
    streams = []
    for _ in range(20):
        s = console.connect(30)
        s.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: __Host-elexgate={browser.session}\r\n\r\n".encode())
        streams.append(s)
    for s in streams:
        assert b"event: status" in read_until(s, b"event: sessions")
    asked = len(proxy.asked)
    time.sleep(3)
    assert len(proxy.asked) - asked <= 2 * 5
    proxy.answers["status"] = {"ok": True, "state": "blocked"}
    for s in streams:
        assert b"blocked" in read_until(s, b"blocked")
    # who signs out hears no more
    assert browser.post("/logout").status == 303
    for s in streams:
        read_until(s, None)
        s.close()


def test_a_typed_password_reaches_neither_keeper_nor_proxy(console, make_fake):
    """It goes sealed (people/sealed.h), to the keeper only, and there only with what has to be confirmed: one that was taken over learns none."""
    proxy = make_fake(console.folder / "proxy.sock", {"status": {"ok": True, "state": "open"}, "sessions": {"ok": True, "sessions": []}, "open": {"ok": True}})
    keeper = make_fake(console.folder / "keeper.sock", {"status": {"ok": True, "schedule": {}, "witnesses": {}}, "archives": {"ok": True, "runs": []}})
    browser = console.admin()
    typed = "typed to confirm it"
    browser.do("/account/add", name="mpa", role="viewer", password=typed, own_password=typed)
    browser.do("/account/password", old=PASSWORD, new=typed, again=typed)
    browser.do("/backups/delete", run="2026-11-30-1000", sure="1", own_password=typed)
    for path in ("/restore", "/clients/open", "/clients/block", "/clients/name"):
        browser.do(path, run="2026-11-30-1000", word="mistyped", certificate_text="x", reason="y", own_password=typed)
    assert "sessions" in {r["cmd"] for r in proxy.asked} and typed not in json.dumps(proxy.asked)
    heard = json.dumps(keeper.asked)
    assert typed not in heard and PASSWORD not in heard and base64.b64encode(typed.encode()).decode()[:-4] not in heard
    assert {r["cmd"] for r in keeper.asked if "confirm" in r} == {"delete", "account"}
    sealed = [r[k] for r in keeper.asked for k in ("confirm", "password") if k in r]
    assert len(sealed) >= 5 and {len(base64.b64decode(s)) - OVERHEAD for s in sealed} == {SIZE}, sealed  # not even how long it is
    # without a key, or with one that somebody else has put there, nothing is asked at all
    key = console.folder / "password.pub"
    for spoil in (lambda: key.write_bytes(b"short"), lambda: os.chown(key, 65534, 65534) or console.folder.chmod(0o777), key.unlink):
        key.write_bytes(os.urandom(32))
        spoil()
        count = len([r for r in keeper.asked if r["cmd"] == "delete"])
        assert browser.do("/backups/delete", run="2026-11-30-1000", sure="1", own_password=typed).status == 503
        assert len([r for r in keeper.asked if r["cmd"] == "delete"]) == count
    console.folder.chmod(0o755)


def test_what_a_deleted_backup_strands_stands_beside_the_button(console, make_fake):
    """Before it is confirmed, and only where something is stranded."""
    one = {"type": "elexisdb", "size": 5, "method": "physical", "complete": True, "standing": "own", "started": "2026-11-30T02:00:00Z", "finished": "2026-11-30T02:01:00Z"}
    strands = {"from": "2026-11-29T02:01:00Z", "until": "2026-11-30T02:01:00Z"}
    make_fake(console.folder / "keeper.sock", {"status": {"ok": True, "schedule": {}, "witnesses": {}}, "archives": {"ok": True, "folder": "/x", "runs": [
        one | {"run": "2026-11-30-0300", "strands": None}, one | {"run": "2026-11-29-0300", "strands": strands}]}})
    page = console.admin().get("/backups").body.decode()
    said = [m[0] for m in re.finditer(r"Mit ihr geht jede Sekunde von ([^<]+) bis ([^<]+): Keine andere Sicherung führt dorthin\.", page) if m[1] != m[2]]
    assert len(said) == 1, said
    first, second = page.index('name="run" value="2026-11-30-0300"'), page.index('name="run" value="2026-11-29-0300"')
    assert first < second < page.index(said[0]) < page.rindex('action="/backups/delete"')


def test_what_a_pruning_strands_stands_beside_the_generations(console, make_fake):
    """What the next good backup would remove, and which seconds go with it: in the card of the generations, and anew with what is typed."""
    goes = [{"run": "2026-11-29-0300", "type": "elexisdb", "started": "2026-11-29T02:00:00Z", "size": 5, "strands": {"from": "2026-11-29T02:01:00Z", "until": "2026-11-30T02:01:00Z"}},
            {"run": "2026-11-28-0300", "type": "elexisdb", "started": "2026-11-28T02:00:00Z", "size": 5, "strands": None}]
    keeper = make_fake(console.folder / "keeper.sock", {"status": {"ok": True, "schedule": {}, "witnesses": {}}, "config-get": {"ok": True, "values": {}, "sha256": ""},
                                                        "retention-preview": {"ok": True, "goes": goes, "bytes": 10, "stays": 3}})
    browser = console.admin()
    page = browser.get("/schedule").body.decode()
    card = page[page.index("<h2>Wie viele Sicherungen bleiben</h2>"):]
    card = card[:card.index("</section>")]
    assert "entfernt 2 alte Archive (10 B)" in card and card.count("<li>") == 2
    assert [m[1] != m[2] for m in re.finditer(r"geht jede Sekunde von ([^<]+) bis ([^<]+): Keine andere Sicherung", card)] == [True]
    typed = json.loads(browser.get("/api/retention-preview?keep=7").body)
    assert [bool(one.get("strands")) for one in typed["goes"]] == [True, False] and "Sekunde" in typed["goes"][0]["strands"]
    assert [r["keep"] for r in keeper.asked if r["cmd"] == "retention-preview" and "keep" in r] == [7]


def test_events_without_proxy_and_keeper(console, make_fake):
    """The stream outlives them, and says when they are back."""
    browser = console.admin()
    with console.connect(30) as s:
        s.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-elexgate={browser.session}\r\n\r\n".encode())
        assert b'{"proxy":null,"keeper":null}' in read_until(s, b"event: sessions")
        make_fake(console.folder / "proxy.sock", {"status": {"ok": True, "state": "open"}})
        assert b'"state":"open"' in read_until(s, b'"open"')


def read_until(s, what):
    """what None: to the end."""
    got = b""
    while what is None or what not in got:
        try:
            chunk = s.recv(65536)
        except ssl.SSLError:
            chunk = b""
        if not chunk:
            assert what is None, got
            return got
        got += chunk
    return got


# --- proxy, keeper, certificate ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("lang,words", [("de", "systemctl start elexgate-keeper"), ("en", "Start it with")])
def test_programs_that_do_not_run(console, lang, words):
    browser = console.admin()
    browser.lang = lang
    for page in PAGES:
        assert browser.get(page).status == 200, page
    codes = [p["code"] for p in browser.api("/api/overview")["problems"]]
    assert codes == ["proxy-away", "keeper-away"]
    assert words in browser.get("/").text
    answer = browser.do("/backup", mode="now")
    assert answer.status == 503 and "elexgate-keeper" in answer.json["error"]
    assert browser.do("/clients/open").status == 503
    assert "elexgate_up" in browser.get("/metrics").text


@pytest.mark.slow
def test_a_keeper_that_takes_its_time(console, make_fake):
    """Longer than the silence after which a connection is ended."""
    def show():
        time.sleep(34)
        return {"ok": True, "result": {"certificates": [{"subject": "CN=slow"}]}}

    make_fake(console.folder / "keeper.sock", {"cert": show})
    page = console.admin().get("/certificates")
    assert page.status == 200 and "CN=slow" in page.text


def test_answers_that_are_no_answers(console, make_fake):
    """A keeper that says nonsense shows as words, never as a crash."""
    make_fake(console.folder / "proxy.sock", {"status": {"ok": True}, "sessions": {"ok": True, "sessions": "none"}})
    keeper = make_fake(console.folder / "keeper.sock", {})
    for nonsense in ({}, {"ok": True}, {"ok": True, "schedule": 5, "job": [], "pending": 1, "last_good_backup": "x", "runs": {}, "values": [],
                                         "last_restore": {"exit": "x"}, "restore": {"phase": "kept"}, "plan": 1, "lines": {"a": 1}}, {"ok": False}):
        for cmd in ("status", "archives", "config-get", "restore", "cert", "log", "schedule-preview"):
            keeper.answers[cmd] = nonsense
        browser = console.admin()
        for page in [*PAGES, "/restore?run=2026-01-01-0000", "/certificates/guide", "/api/schedule-preview?minute=1&hour=1&day=1&month=1&weekday=1"]:
            assert browser.get(page).status == 200, (page, nonsense)
        assert browser.do("/schedule", on="1", minute="1", hour="1", day="*", month="*", weekday="*").status in (200, 409, 422, 502)
    assert console.process.alive()


def test_a_restore_of_a_dump_and_a_loss_that_is_agreed_to(console, make_fake):
    """Its steps are those of SQL in each phase; the second word becomes accept_loss, and a wrong one asks nothing."""
    job = {"kind": "restore", "action": "run", "phase": "boot", "type": "elexisdb", "run": "2026-11-22-0315"}
    keeper = make_fake(console.folder / "keeper.sock", {"status": {"ok": True, "job": job}, "restore": {"ok": True}})
    browser = console.admin()
    steps = [len(re.findall(r'class="(?:todo|done|now)"', browser.get("/restore").text))]
    job["sql"] = True
    steps.append(len(re.findall(r'class="(?:todo|done|now)"', browser.get("/restore").text)))
    assert steps[1] == steps[0] + 3, steps
    job.clear()
    for loss in ("falsch", "verlieren"):
        browser.do("/restore", run="2026-11-22-0315", confirm="wiederherstellen", loss=loss)
    asked = [r for r in keeper.asked if r.get("action") == "run"]
    assert [r.get("accept_loss") for r in asked] == [True], asked


def test_words_that_are_cut_off(console, make_fake):
    """A program's words are kept in 504 bytes: what is longer may end in the middle of a character."""
    keeper = make_fake(console.folder / "keeper.sock", {})
    browser = console.admin()
    for n in range(490, 510):
        keeper.answers["run"] = {"ok": False, "code": "EIO", "error": "x" * n + "€" * 20}
        answer = browser.do("/backup", mode="now")
        assert answer.status == 502 and answer.json["ok"] is False and "x" * 490 in answer.json["error"]
        assert browser.post("/backup", mode="now").status == 303
        assert "x" * 490 in browser.get("/account").text


def test_what_clients_are_called_is_shown_as_text(console, make_fake):
    evil = "<script>alert(1)</script>\"'"
    make_fake(console.folder / "proxy.sock", {
        "status": {"ok": True, "state": "blocked", "reason": evil},
        "sessions": {"ok": True, "sessions": [{"id": 1, "user": evil, "peer": evil, "program": evil}]}})
    page = console.admin().get("/clients").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;" in page


def test_a_renewed_certificate_serves_and_a_bad_one_does_not(folder, pki, make_console):
    first, second = pki.ca.issue("console-1"), pki.ca.issue("console-2")
    live = pki.ca.issue("console-live", key=None)
    live.certificate.write_bytes(first.certificate.read_bytes())
    live.key.write_bytes(first.key.read_bytes())
    console = make_console(leaf=live)

    def shown():
        with console.connect() as s:
            return s.getpeercert(True)

    def der(leaf):
        return ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", leaf.certificate.read_text(), re.S).group(0))

    assert shown() == der(first)
    live.certificate.write_bytes(second.certificate.read_bytes())  # the key is still the old one's
    console.process.wait_log("certificate-not-taken")
    assert shown() == der(first)
    live.key.write_bytes(second.key.read_bytes())
    console.process.wait_log("certificate-taken")
    assert shown() == der(second)
    live.certificate.write_text("nothing")
    console.process.signal(signal.SIGHUP)
    console.process.wait_log("reload-failed")
    assert shown() == der(second)
    live.certificate.write_bytes(first.certificate.read_bytes())
    live.key.write_bytes(first.key.read_bytes())
    console.process.signal(signal.SIGHUP)
    console.process.wait_log("event=reloaded")
    assert shown() == der(first)


def test_a_pair_that_no_browser_takes_is_refused(folder, pki, make_console):
    """In the gate's words. What only the page's own library minds: tests/unit/console/test_tls_trial.c."""
    live = pki.ca.issue("console-trial", key=None)
    first = (live.certificate.read_bytes(), live.key.read_bytes())
    odd_ca = Authority(folder, "odd-ca", "Odd CA", kind="brainpool")
    console = make_console(leaf=live)
    said = 0
    for leaf, above, words in ((pki.ca.issue("brainpool", kind="brainpool"), pki.ca, "that Java and other clients do not take"),
                               (pki.ca.issue("k1", kind="secp256k1"), pki.ca, "that Java and other clients do not take"),
                               (odd_ca.issue("below"), odd_ca, "that Java and other clients do not take"),
                               (pki.ca.issue("enciphers", kind="rsa2048", only_encipher=True), pki.ca, "may not sign")):
        live.certificate.write_bytes(leaf.certificate.read_bytes() + above.file.read_bytes())
        live.key.write_bytes(leaf.key.read_bytes())
        console.process.signal(signal.SIGHUP)
        said += 1
        process.wait_until(lambda: console.process.log().count("event=reload-failed") == said, 30, "the refusal")
        assert words in console.process.log().split("event=reload-failed")[-1]
        with console.connect() as s:
            assert s.getpeercert(True) == ssl.PEM_cert_to_DER_cert(first[0].decode().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----")
    # where nothing better serves, the page comes up all the same and says so
    make_console(leaf=live).process.wait_log("event=certificate-unfit")


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa2048", "rsa3072"])
def test_what_browsers_and_clients_take_passes_the_trial(folder, pki, make_console, kind):
    live = pki.ca.issue(f"console-{kind}")
    console = make_console(leaf=live)
    good = pki.ca.issue(f"next-{kind}", kind=kind)
    live.certificate.write_bytes(good.certificate.read_bytes())
    live.key.write_bytes(good.key.read_bytes())
    console.process.signal(signal.SIGHUP)
    console.process.wait_log("event=reloaded")
    assert "certificate-unfit" not in console.process.log()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(console):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(console.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)), socket.create_connection(("127.0.0.1", console.port), 10) as raw_socket:
        context.wrap_socket(raw_socket, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", console.port), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        plain.settimeout(40)
        assert b"200" not in plain.recv(1000)[:20]


def test_systemd_is_told(folder, pki):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(folder / "notify"))
        notify.settimeout(20)
        console = Console(folder / "c", pki)
        console.start(env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")})

        def told(what):
            while (state := notify.recv(1000).decode()) != what:
                assert state in ("READY=1", "WATCHDOG=1", "RELOADING=1", "STOPPING=1"), state
            return True

        assert told("READY=1") and told("WATCHDOG=1")
        console.process.signal(signal.SIGHUP)
        assert told("RELOADING=1") and told("READY=1")
        console.process.signal(signal.SIGTERM)
        assert told("STOPPING=1")
        assert console.process.wait(20) == 0


def test_a_reload_takes_new_settings_or_none(console):
    browser = console.admin()
    console.sections["console"].update({"session_max": "1m", "metrics_token_file": console.folder / "missing"})
    write_config(console.config, console.sections)
    console.process.signal(signal.SIGHUP)
    console.process.wait_log("reload-failed")
    stored = json.loads((console.state / "sessions.json").read_text())
    assert browser.get("/").status == 200
    del console.sections["console"]["metrics_token_file"]
    console.sections["console"]["session_idle"] = "5d"
    write_config(console.config, console.sections)
    console.process.signal(signal.SIGHUP)
    log = console.process.wait_log("event=reloaded")
    assert 'option="[console] session_max"' in log and 'new=1m' in log
    assert stored["key"] == json.loads((console.state / "sessions.json").read_text())["key"]
    assert browser.get("/").status == 200


@pytest.mark.parametrize("wrong,words", [({"address": "nowhere"}, "nowhere"), ({"certificate": "/missing.pem"}, "missing.pem"),
                                         ({"port": "0"}, "port")])
def test_what_cannot_start_says_why(folder, pki, wrong, words):
    console = Console(folder / "c", pki, wrong)
    write_config(console.config, console.sections)
    done = process.run([paths.CONSOLE, "--config", console.config], check=False)
    assert done.returncode == 1 and words in done.stderr


def test_options():
    assert "elexgate-console" in process.run([paths.CONSOLE, "--version"]).stdout
    assert "--assets" in process.run([paths.CONSOLE, "--help"]).stdout
    assert process.run([paths.CONSOLE, "--wrong"], check=False).returncode == 2
    assert process.run([paths.CONSOLE, "argument"], check=False).returncode == 2


def test_pages_are_read_from_a_folder(folder, pki):
    """--assets: a change shows at the next request; a broken template is one page's error, not the program's."""
    assets = folder / "pages"
    shutil.copytree(paths.ROOT / "console", assets, ignore=shutil.ignore_patterns("node_modules"))
    console = Console(folder / "c", pki)
    write_config(console.config, console.sections)
    child = process.Child("elexgate-console", [paths.CONSOLE, "--config", console.config, "--assets", assets], folder / "log")
    console.process = child
    child.wait_log("event=ready")
    page = assets / "pages" / "login.html"
    before = page.read_text()
    page.write_text("<p>changed</p>" + before)
    assert "<p>changed</p>" in console.browser().get("/login").text
    page.write_text("{{#open}}" + before)
    assert console.browser().get("/login").status == 500
    assert "page-failed" in child.log()
    page.write_text(before)
    assert console.browser().get("/login").status == 200
    console.stop()


# A network of its own, in which 192.0.2.10 is no loopback address: prints the status of each question.
ELSEWHERE = """
ip link set lo up && ip addr add 192.0.2.10/32 dev lo || exit 99
"$1" --config "$2" 2>"$3" & console=$!
ask() { curl -s -k -o /dev/null -w '%{http_code} ' --max-time 20 "$@" https://192.0.2.10:$port/metrics; }
port=$4
until grep -q event=ready "$3" || ! kill -0 $console; do sleep 0.1; done
ask; ask -H 'Authorization: Bearer falsch'; ask -H 'Authorization: Bearer geheim'; ask -H 'Authorization: Basic geheim'
kill $console; wait $console
"""


def test_metrics_need_this_machine_or_the_token(folder, pki, make_console):
    token = folder / "token"
    token.write_text("geheim\n")
    token.chmod(0o600)
    here = make_console({"metrics_token_file": token})
    answer = here.browser().get("/metrics")
    assert answer.status == 200 and "version=0.0.4" in answer.headers["Content-Type"]
    assert 'elexgate_up{program="elexgate-proxy"} 0' in answer.text
    if process.run(["unshare", "-rn", "true"], check=False).returncode:
        pytest.skip("this user cannot make a network namespace")
    away = Console(folder / "away", pki, {"metrics_token_file": token, "address": "192.0.2.10"})
    write_config(away.config, away.sections)
    done = process.run(["unshare", "-rn", "sh", "-c", ELSEWHERE, "sh", paths.CONSOLE, away.config, folder / "away.log", away.port], check=False)
    assert done.stdout.split() == ["401", "401", "200", "401"], done.stdout + done.stderr


# --- uploads -----------------------------------------------------------------------------------------------------------

def tus(browser, method, path, body=None, **headers):
    return browser.request(method, path, body, {"Tus-Resumable": "1.0.0", "X-CSRF-Token": browser.csrf,
                                                **{k.replace("_", "-"): v for k, v in headers.items()}})


def test_an_upload_in_pieces_outlives_the_console(make_console):
    console = make_console({"upload_max": "1M"})
    browser = console.admin()
    options = tus(browser, "OPTIONS", "/api/uploads")
    assert options.headers["Tus-Extension"] == "creation,termination" and options.headers["Tus-Max-Size"] == str(1 << 20)
    name = base64.b64encode("Übung.sql".encode()).decode()
    data = os.urandom(300_000)
    made = tus(browser, "POST", "/api/uploads", Upload_Length=str(len(data)), Upload_Metadata=f"filename {name},filetype dGV4dA==")
    place = made.headers["Location"]
    assert made.status == 201
    piece = {"Content_Type": "application/offset+octet-stream"}
    assert tus(browser, "PATCH", place, data[:100_000], Upload_Offset="0", **piece).headers["Upload-Offset"] == "100000"
    assert tus(browser, "PATCH", place, b"x", Upload_Offset="5", **piece).status == 409
    assert tus(browser, "PATCH", place, b"x", Upload_Offset="100000", Content_Type="text/plain").status == 415
    assert tus(browser, "PATCH", place, b"x", Upload_Offset="-1", **piece).status == 400
    console.process.kill()
    console.start()
    assert tus(browser, "HEAD", place).headers["Upload-Offset"] == "100000"
    assert tus(browser, "PATCH", place, data[100_000:], Upload_Offset="100000", **piece).status == 204
    stored = console.folder / "uploads" / place.rsplit("/", 1)[1]
    assert stored.read_bytes() == data and stored.stat().st_mode & 0o777 == 0o600
    listed = browser.api("/api/restore")
    assert listed.get("keeper_error")
    assert browser.get("/api/uploads").json["uploads"][0]["name"] == "Übung.sql"
    assert tus(browser, "PATCH", place, b"more", Upload_Offset=str(len(data)), **piece).status == 413
    assert tus(browser, "DELETE", place).status == 204
    assert tus(browser, "HEAD", place).status == 404
    assert not stored.exists()


def test_a_large_upload_takes_no_memory(folder, pki):
    console = Console(folder / "c", pki)  # a sanitizer keeps freed memory for a while; not here
    console.start(env={**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"})

    def peak():
        status = pathlib.Path(f"/proc/{console.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))

    browser, block = console.admin(), b"x" * (1 << 20)
    place = tus(browser, "POST", "/api/uploads", Upload_Length=str(200 << 20)).headers["Location"]
    before = peak()
    done = tus(browser, "PATCH", place, (block for _ in range(200)), Upload_Offset="0", Content_Length=str(200 << 20),
               Content_Type="application/offset+octet-stream")
    assert done.headers["Upload-Offset"] == str(200 << 20)
    assert peak() - before < 20_000
    assert tus(browser, "DELETE", place).status == 204
    console.stop()


def test_uploads_that_are_refused(make_console):
    console = make_console({"upload_max": "1M"})
    browser = console.admin()
    assert tus(browser, "POST", "/api/uploads", Upload_Length=str((1 << 20) + 1)).status == 413
    assert tus(browser, "POST", "/api/uploads", Upload_Length="x").status == 400
    assert tus(browser, "POST", "/api/uploads").status == 400
    assert browser.request("POST", "/api/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1"}).status == 403
    assert browser.request("POST", "/api/uploads", headers={"X-CSRF-Token": browser.csrf, "Upload-Length": "1"}).status == 412
    for name in ("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "0" * 32, "x"):
        assert tus(browser, "HEAD", f"/api/uploads/{name}").status == 404
        assert tus(browser, "DELETE", f"/api/uploads/{name}").status == 404
    assert console.browser().request("POST", "/api/uploads", headers={"Tus-Resumable": "1.0.0"}).status == 401
    assert list((console.folder / "uploads").iterdir()) == []


def test_an_upload_larger_than_the_disk(make_console):
    console = make_console({"upload_max": "1000000G"})
    assert tus(console.admin(), "POST", "/api/uploads", Upload_Length=str(10**15)).status == 507


def test_two_do_not_write_one_upload(console):
    browser = console.admin()
    place = tus(browser, "POST", "/api/uploads", Upload_Length="1000").headers["Location"]
    with console.connect() as s:
        s.sendall((f"PATCH {place} HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-elexgate={browser.session}\r\nTus-Resumable: 1.0.0\r\n"
                   f"X-CSRF-Token: {browser.csrf}\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
                   "Content-Length: 1000\r\n\r\n").encode() + b"a" * 300)
        process.wait_until(lambda: tus(browser, "PATCH", place, b"b" * 10, Upload_Offset="300",
                                       Content_Type="application/offset+octet-stream").status == 423, 10, "busy")
    # it was cut off: what had arrived stays, and it goes on from there
    process.wait_until(lambda: tus(browser, "HEAD", place).headers["Upload-Offset"] == "300", 20, "300 bytes")
    assert tus(browser, "PATCH", place, b"b" * 700, Upload_Offset="300", Content_Type="application/offset+octet-stream").status == 204


# --- with a real keeper ------------------------------------------------------------------------------------------------

@pytest.fixture
def backed(folder, server, make_console):
    """A real keeper on a real server, and a console in front of it."""
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    hook = folder / "slow"
    hook.write_text("#!/bin/sh\nsleep 6\n")
    hook.chmod(0o755)
    backup = Backup(folder / "b", server, None, {"hooks": {"before_backup": hook}}).account()
    backup.start_keeper()
    backup.console = make_console(sections={"backup": {"control_socket": backup.socket}})
    yield backup
    backup.stop_keeper()


def test_what_the_page_asks_by_itself_fills_no_log(backed):
    """Looking, again and again, leaves nothing in Protokoll, in the programs' logs or in the audit log; doing something does."""
    console = backed.console
    browser = console.admin()

    def told():
        keeper = backed.call({"cmd": "log", "level": "debug", "limit": 1000})["lines"]
        audit = backed.call({"cmd": "audit-log", "limit": 200}, check=False).get("lines")
        return len(keeper), audit, console.process.log(), browser.get("/log").body.count(b"<time")
    before = told()
    with console.connect(30) as s:  # the page that stays open
        s.sendall(f"GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-elexgate={browser.session}\r\n\r\n".encode())
        for _ in range(3):
            read_until(s, b"event: status")
            for page in PAGES:
                assert browser.get(page).status == 200
            browser.api("/api/overview")
    assert told() == before
    assert browser.do("/account/add", name="neu", role="viewer", password=PASSWORD, own_password=PASSWORD).status == 200
    assert told()[2] != before[2] and told()[3] > before[3]


def test_a_backup_goes_on_when_the_console_is_killed(backed):
    console = backed.console
    browser = console.admin()
    assert browser.do("/backup", mode="now").json["ok"]
    assert browser.api("/api/overview")["job"]["kind"] == "backup"
    second = browser.do("/backup", mode="now")
    assert second.status == 409 and not second.json["ok"]
    console.process.kill()
    console.start()
    job = browser.api("/api/backups")["job"]  # still signed in, and the page finds it again
    assert job["kind"] == "backup" and job["can_cancel"]
    process.wait_until(lambda: "job" not in browser.api("/api/overview"), 120, "the backup's end")
    page = browser.api("/api/backups")
    assert page["count"] == 1 and page["runs"][0]["method"] == "physical"
    run, type_ = page["runs"][0]["run"], page["runs"][0]["types"][0]["type"]
    name = f"{type_}_{run}.tar.gz"
    assert browser.get(f"/backups/download?run={run}&type={type_}").status == 404  # nor does any other way lead there
    assert browser.do("/backups/delete", run=run).status == 422  # not ticked
    assert browser.do("/backups/delete", run=run, sure="1").status == 403  # no password
    assert browser.do("/backups/delete", run=run, sure="1", own_password="not mine at all").status == 403
    # after a wrong one the right one has to wait
    last = {}
    def said():
        last.update(browser.do("/backups/delete", run=run, sure="1", own_password=PASSWORD).json)
        return "das Passwort war falsch" not in last["error"]
    process.wait_until(said, 20, "the pause")
    assert not last["ok"] and "die einzige vollständige Sicherung" in last["error"], last
    assert (backed.archives / name).exists()


def test_the_schedule_is_saved_into_the_file(backed):
    browser = backed.console.admin()
    fields = {"on": "1", "minute": "15", "hour": "3", "day": "*", "month": "*", "weekday": "1-5", "keep": "14", "idle": "no-clients",
              "idle_for": "10m", "deadline": "3h", "after_deadline": "dump", "method": "both", "drill_schedule": "weekly", "own_password": PASSWORD}
    sha256 = browser.api("/api/schedule")["sha256"]
    text = backed.config.read_text()
    backed.config.write_text("# a comment that stays\n" + text)
    assert browser.do("/schedule", sha256=sha256, **fields).status == 409
    sha256 = browser.api("/api/schedule")["sha256"]
    assert browser.do("/schedule", sha256=sha256, **{**fields, "own_password": ""}).status == 422  # fewer generations delete
    assert browser.do("/schedule", sha256=sha256, **fields).json["ok"]
    saved = backed.config.read_text()
    assert saved.startswith("# a comment that stays\n") and "15 3 * * 1-5" in saved
    page = browser.api("/api/schedule")
    assert (page["on"], page["fields"]["weekday"], page["keep"], page["method"]) == (True, "1-5", "14", "both")
    assert page["preview"]["words"] and len(page["preview"]["next"]) == 5
    assert browser.api("/api/overview")["next"]["words"] == page["preview"]["words"]
    wrong = browser.post("/schedule", **{**fields, "weekday": "9"})
    assert wrong.status == 422 and 'value="9"' in wrong.text
    assert browser.do("/schedule", **{**fields, "hour": "3 4"}).status == 422
    assert browser.do("/schedule", **{**fields, "keep": "0"}).status == 422
    assert browser.do("/schedule", **{**fields, "minute": "1\n[hooks]\nx=1"}).status == 422
    assert backed.config.read_text() == saved
    del fields["on"]
    assert browser.do("/schedule", **fields).json["ok"]
    assert browser.api("/api/schedule")["on"] is False


@pytest.mark.parametrize("field,value", [("minute", "60"), ("hour", "x"), ("day", ""), ("month", "13"), ("weekday", "8")])
def test_the_preview_names_the_field(backed, field, value):
    browser = backed.console.admin()
    fields = {"minute": "15", "hour": "3", "day": "*", "month": "*", "weekday": "*", field: value}
    query = "&".join(f"{k}={v}" for k, v in fields.items())
    answer = browser.api(f"/api/schedule-preview?{query}")
    assert answer["ok"] is False and answer["field"] == field and answer["error"]
