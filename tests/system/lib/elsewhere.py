"""Another computer: a network namespace with one cable to this one.

MariaDB's clients since 11.4 take any certificate of a server on their own computer, so what they do with a bad one can
be seen from another one only. Needs root, and ip(8) of iproute2.
"""
import os

from lib import process


class Elsewhere:
    """.here: this computer's address on the cable. run() runs a program over there."""

    def __init__(self):
        self.name = f"elx{os.getpid()}"
        # TEST-NET-2 of RFC 5737; several test runs on one machine have an address each.
        number = 4 * (os.getpid() % 60)
        self.here, self.there = f"198.51.100.{number + 1}", f"198.51.100.{number + 2}"

    def _ip(self, *words, check=True):
        return process.run(["ip", *words], check=check)

    def open(self):
        """None, or in words why it cannot be had."""
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", f"{self.name}a", "type", "veth", "peer", "name", "cable", "netns", self.name)
            self._ip("addr", "add", f"{self.here}/30", "dev", f"{self.name}a")
            self._ip("link", "set", f"{self.name}a", "up")
            self._ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", "cable")
            self._ip("-n", self.name, "link", "set", "cable", "up")
        except (OSError, RuntimeError) as error:
            self.close()
            return str(error).strip().splitlines()[-1]
        return None

    def close(self):
        try:
            self._ip("link", "del", f"{self.name}a", check=False)
            self._ip("netns", "del", self.name, check=False)
        except OSError:
            pass

    def run(self, argv, **kwargs):
        return process.run(["ip", "netns", "exec", self.name, *argv], **kwargs)
