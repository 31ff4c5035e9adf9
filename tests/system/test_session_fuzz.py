"""The short form of scripts/session-fuzz."""
import pytest

from lib import paths
from session_fuzz import Fuzz, Server

pytestmark = pytest.mark.sanitize


def test_whole_sessions(make_gate, pki):
    server = Server(1)
    gate = make_gate(None, start=False, listeners=Fuzz.LISTENERS,
                     options=Fuzz.options(server))
    gate.program = paths.PROXY.with_name("elexgate-proxy-small")
    gate.start()
    fuzz = Fuzz(gate, server, pki, seed=1)
    for _ in range(2):
        fuzz.round(5)
    assert fuzz.done > 50 and server.nobodies > 0
    server.close()
