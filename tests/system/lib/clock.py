"""Programs that believe another date: Debian's faketime, with a file that moves a running program's clock as well.

Only the wall clock is moved; timers run on the monotonic one, as after an NTP step.
"""
import glob
import os
import pathlib
import tempfile

LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


class Clock:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="elexgate-clock-")
        os.chmod(self.folder.name, 0o755)  # programs read it as their own users: the keeper gives up root
        self.file = pathlib.Path(self.folder.name) / "faketime"
        self.days(0)

    def days(self, n):
        """n days from the real now, for everybody who runs with env()."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{'+' if n >= 0 else ''}{n}d\n")
        os.replace(new, self.file)
        self.offset = n

    def env(self):
        return {"LD_PRELOAD": LIBRARIES[0], "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
