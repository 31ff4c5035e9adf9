"""The page's steps of a restore are those that really happen: each kind run for real, its phases then shown one by one."""
import pytest

from lib.console import Console
from lib.restore import Site
from test_console_http import Fake
from test_keeper_restore import dump, follow, upload


def jobs(lines):
    """What the keeper says of the job at each of its phases: [(phase, job)], in order."""
    said, found = {"kind": "restore", "pid": 1, "run": "", "started": "2026-11-30T10:00:00.000Z"}, []
    for line in lines:
        if line.get("event") == "restore-begin":
            said.update(action=line["action"], dry_run=line["dry_run"])
        if line.get("event") == "way":
            said["way"] = line["way"]
        if line.get("event") == "phase":
            said["sql"] = said.get("sql", False) or line["phase"] == "read"
            if not found or found[-1][0] != line["phase"]:
                found.append((line["phase"], {**said, "type": line["type"], "phase": line["phase"]}))
    return found


@pytest.fixture(scope="module")
def shown(session_folder, pki):
    """steps(job): those that the page shows for it."""
    folder = session_folder / "steps"
    folder.mkdir()
    console = Console(folder / "c", pki)
    status = {"ok": True, "schedule": {}, "folder": str(folder)}
    fake = Fake(folder / "c" / "keeper.sock", {"status": lambda: status, "account": {"ok": True}, "restore": {"ok": True, "restore": {"phase": None}}})
    browser = console.start().admin()

    def steps(job):
        status["job"] = job
        return browser.api("/api/restore")["running"]["steps"]

    def ended(run):
        status.update(job=None, last_restore=run)
        return {lang: browser.get(f"/restore?lang={lang}").text for lang in ("de", "en")}

    steps.ended = ended
    yield steps
    console.stop()
    fake.close()


def test_each_way(folder, make_server, make_gate, shown):
    server = make_server()
    gate = make_gate(server, options={"proxy": {"grace": "200ms"}})
    site = Site(folder, server, gate, {"console": {"upload_dir": folder / "uploads"}})
    site.uploads = folder / "uploads"
    site.uploads.mkdir()
    site.backup.beside()
    site.take_backup()
    site.backup.start_keeper()
    try:
        upload(site, "text", dump(site))
        for way in ("files", "beside"):
            if way == "beside":
                site.backup.set("restore", start_command="")
                site.backup.call("reload")
            kinds = [("sql", {"upload": "text", "dry_run": True}), ("sql", {"upload": "text"}), ("undo", {}), ("accept", {})]
            if way == "files":
                kinds = [("run", {"which": "latest", "types": ["elexisdb"]}), ("undo", {}), ("accept", {}), *kinds]
            for action, more in kinds:
                lines = follow(site, action, **more)
                assert lines[-1]["ok"], (way, action, lines[-1])
                look(shown, f"{way} {action} {more}", jobs(lines))
            # one that fails is shown as failed, with the reason, and never as good
            upload(site, "bad", dump(site).replace("CREATE TABLE", "CREATE TABEL", 1))
            assert not follow(site, "sql", upload="bad")[-1]["ok"]
            last = site.backup.call("status")["last_restore"]
            pages = shown.ended(last)
            for lang, words, other in (("de", "Sie ist gescheitert: ", "sind in Betrieb"), ("en", "It failed: ", "are in use")):
                card = pages[lang][pages[lang].index('id="last-restore"'):]
                card = card[:card.index("</section>")]
                assert 'class="state bad"' in card and words in card and other not in card and len(last["error"]) > 10, (way, card)
    finally:
        site.backup.stop_keeper()


def look(shown, what, seen):
    at = -1
    for phase, job in seen:
        steps = shown(job)
        now = [i for i, step in enumerate(steps) if step["is_now"]]
        assert len(now) == 1, f"{what}: {phase} is no step of {[s['words'] for s in steps]}"
        assert now[0] == at + 1, f"{what}: {phase} is step {now[0]} after {at}: {[p for p, _ in seen]}"
        assert [s["state"] for s in steps] == ["done"] * now[0] + ["now"] + ["todo"] * (len(steps) - now[0] - 1)
        at = now[0]
    if seen:
        assert at == len(steps) - 1, f"{what}: {[s['words'] for s in steps[at + 1:]]} never came"
