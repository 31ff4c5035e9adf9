"""Reports of AddressSanitizer, UBSan and LeakSanitizer, from any process that a test starts.

They go to files in one folder, because a daemon's standard error is easily overlooked; conftest fails the test during
which one appeared.
"""
import os
import pathlib


class Reports:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._seen = set()
        log = f"log_path={self.folder}/report:log_exe_name=1"
        os.environ["ASAN_OPTIONS"] = f"{log}:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:exitcode=99"
        os.environ["UBSAN_OPTIONS"] = f"{log}:print_stacktrace=1:halt_on_error=1:exitcode=99"
        os.environ["TSAN_OPTIONS"] = f"{log}:exitcode=99"

    def new(self):
        """The text of the reports that were written since the last call."""
        text = []
        for path in sorted(self.folder.iterdir()):
            if path not in self._seen:
                self._seen.add(path)
                text.append(f"{path.name}:\n{path.read_text(errors='replace')[:8000]}")
        return "\n".join(text)
