"""The short form of scripts/soak."""
import pytest

from soak import Soak

pytestmark = [pytest.mark.sanitize, pytest.mark.slow]


def test_mixed_load_and_a_block_in_the_middle(make_gate, make_server, pki, folder):
    server = make_server(args=["--max-connections=200"])
    gate = make_gate(server, options={"proxy": {"max_sessions": 200}, "log": {"level": "info"}})
    soak = Soak(gate, server, pki, folder, connections=64)
    soak.prepare()
    transactions, _ = soak.steady(8)
    assert transactions > 0
    answer, told, left = soak.block_under_load(30)
    assert answer["ended"] == 64 and left == 0
    assert "Dauerlauf" in told
    assert gate.status()["totals"]["handshakes_failed"] == 0
    assert "dialogue-lost" not in gate.log
    lost = [line for line in gate.log.splitlines() if "event=end" in line and not any(
        f"reason={r}" in line for r in ("quit", "blocked", '"blocked', '"client closed"'))]
    assert lost == []
