"""elexgate-console under test, and a browser that is not one: cookies, CSRF tokens, raw TLS."""
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import urllib.parse

from lib import paths, ports, process
from lib.gate import write_config

PASSWORD = "ein langes Passwort für Tests"


class Console:
    """folder: its own. sections: further ones of the configuration; [console] options are merged."""

    def __init__(self, folder, pki, options=None, sections=None, leaf=None):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = ports.free_port()
        self.leaf = leaf or pki.server
        self.ca = pki.ca.file
        self.config, self.state = folder / "elexgate.ini", folder / "console"
        self.sections = {
            "proxy": {"control_socket": folder / "proxy.sock"},
            "backup": {"control_socket": folder / "keeper.sock"},
            "console": {"port": self.port, "state_dir": self.state, "upload_dir": folder / "uploads",
                        "certificate": self.leaf.certificate, "key": self.leaf.key, **(options or {})},
        }
        for section, keys in (sections or {}).items():
            self.sections.setdefault(section, {}).update(keys)
        self.process = None

    def start(self, env=None):
        write_config(self.config, self.sections)
        key = pathlib.Path(self.sections["backup"]["control_socket"]).parent / "password.pub"
        if key.parent.is_dir() and not key.exists():  # beside a keeper that is none; a real one makes its own
            key.write_bytes(os.urandom(32))
        known = len(self.process.log()) if self.process else 0
        self.process = process.Child("elexgate-console", [paths.CONSOLE, "--config", self.config], self.folder / "console.log",
                                     env=env)
        process.wait_until(lambda: "event=ready" in self.process.log()[known:] or not self.process.alive(), 30, "elexgate-console ready")
        assert self.process.alive(), self.process.log()
        return self

    def stop(self):
        if self.process and self.process.alive():
            assert self.process.stop(30) == 0, self.process.log()[-3000:]

    def link(self):
        """The path of the one-time link."""
        return "/" + (self.state / "setup-link").read_text().strip().split("/", 3)[3]

    def browser(self, **kwargs):
        return Browser(self, **kwargs)

    def admin(self):
        """Somebody who is signed in; makes the first account if there is none."""
        browser = self.browser()
        if (self.state / "setup-link").exists():
            browser.get(self.link())
            token = self.link().split("token=")[1]
            done = browser.post("/setup", token=token, name="admin", password=PASSWORD, again=PASSWORD)
        else:
            done = browser.sign_in("admin")
        assert done.status == 303, done.text
        browser.get("/account")
        return browser

    def connect(self, timeout=30):
        """A TLS connection for bytes that no client would send."""
        context = ssl.create_default_context(cafile=self.ca)
        raw = socket.create_connection(("127.0.0.1", self.port), timeout)
        return context.wrap_socket(raw, server_hostname="localhost")


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)


class Browser:
    """Keeps cookies, and the CSRF token of the last page. lang: Accept-Language."""

    def __init__(self, console, lang="de", source=None):
        self.console, self.lang, self.source = console, lang, source
        self.cookies, self.csrf = {}, None
        self.context = ssl.create_default_context(cafile=console.ca)

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection("localhost", self.console.port, timeout=60, context=self.context,
                                                 source_address=(self.source, 0) if self.source else None)
        send = {"Accept-Language": self.lang, **(headers or {})}
        if self.cookies:
            send["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        try:
            connection.request(method, path, body, send)
            response = connection.getresponse()
            answer = Answer(response, response.read())
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        token = re.search(r'name="csrf" value="([^"]+)"', answer.text)
        if token:
            self.csrf = token.group(1)
        return answer

    def get(self, path, **headers):
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def api(self, path):
        answer = self.get(path, Accept="application/json")
        return answer.json

    def post(self, path, headers=None, **fields):
        """A form with the token of the last page; csrf=None leaves it out."""
        fields = {"csrf": self.csrf, **fields}
        body = urllib.parse.urlencode({k: v for k, v in fields.items() if v is not None}, doseq=True)
        return self.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})

    def do(self, path, **fields):
        """A POST that answers with JSON."""
        return self.post(path, headers={"Accept": "application/json"}, **fields)

    def sign_in(self, name, password=PASSWORD):
        self.get("/login")
        return self.post("/login", name=name, password=password)

    @property
    def session(self):
        return self.cookies.get("__Host-elexgate")
