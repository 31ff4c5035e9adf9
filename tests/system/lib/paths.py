"""Where things are: the source tree, and the build folder under test ($ELEXGATE_BUILD, default "build")."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("ELEXGATE_BUILD", "build")).resolve()

PROXY = BUILD / "proxy" / "elexgate-proxy"
KEEPER = BUILD / "backup" / "elexgate-keeper"
JOB = BUILD / "backup" / "elexgate-job"
CLI = BUILD / "cli" / "elexgate"
CLI_PSEUDO = BUILD / "tests" / "tools" / "elexgate-pseudo"  # every sentence in ⟦ ⟧ (po/compile.py)
CONSOLE_PSEUDO = BUILD / "tests" / "tools" / "elexgate-console-pseudo"
CONSOLE = BUILD / "console" / "elexgate-console"
PRACTICE_DB = ROOT / "scripts" / "practice-db"
