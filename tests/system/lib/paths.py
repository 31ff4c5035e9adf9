"""Where things are: the source tree, and the build folder under test ($ELEXGATE_BUILD, default "build")."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("ELEXGATE_BUILD", "build")).resolve()

PROXY = BUILD / "proxy" / "elexgate-proxy"
KEEPER = BUILD / "backup" / "elexgate-keeper"
JOB = BUILD / "backup" / "elexgate-job"
CLI = BUILD / "cli" / "elexgate"
CONSOLE = BUILD / "console" / "elexgate-console"
PRACTICE_DB = ROOT / "scripts" / "practice-db"
