"""The keeper renews the certificate that our own CA issued: without a timer, without anybody's doing."""
import pytest

from lib import process
from lib.backup import Backup
from test_cert import age, init, load

pytestmark = pytest.mark.sanitize


@pytest.mark.parametrize("days,renewed", [(29, True), (-3, True), (31, False)])
def test_renewed_when_due(folder, server, days, renewed):
    tls = folder / "tls"
    init(tls)
    age(tls, -300, days)
    before = load(tls / "server.pem").serial_number
    b = Backup(folder / "b", server, options={"tls": {"certificate": tls / "server.pem", "key": tls / "server.key"}})
    b.start_keeper()
    if renewed:
        process.wait_until(lambda: "event=certificate-renewed" in b.keeper.log(), 60, "the renewal")
    else:
        process.wait_until(lambda: b.call("status")["ok"], 60, "the keeper")
    b.stop_keeper()
    assert (load(tls / "server.pem").serial_number != before) is renewed
    assert ("event=certificate-not-renewed" in b.keeper.log()) is False


def test_not_ours_is_said_once(folder, server, pki):
    leaf = pki.ca.issue("foreign", not_before=-300, not_after=5)
    (folder / "tls").mkdir()
    for name, source in (("server.pem", leaf.certificate), ("server.key", leaf.key)):
        source.rename(folder / "tls" / name)
    b = Backup(folder / "b", server, options={"tls": {"certificate": folder / "tls/server.pem", "key": folder / "tls/server.key"}})
    b.start_keeper()
    process.wait_until(lambda: "event=certificate-not-renewed" in b.keeper.log(), 60, "the words")
    b.stop_keeper()
    assert b.keeper.log().count("event=certificate-not-renewed") == 1 and "was issued by" in b.keeper.log()
