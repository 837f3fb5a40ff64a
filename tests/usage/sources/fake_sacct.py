"""A sacct that isn't one: a script that prints recorded rows, or fails as it is told to."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

from tests.usage.sources.recordings import recorded

SCRIPT = """#!{python} -IS
import json, os, signal, sys, time
from pathlib import Path

here = Path({folder!r})
told = json.loads((here / "told.json").read_text())
name = Path(sys.argv[0]).name
names = ("TZ", "SLURM_TIME_FORMAT", "SLURM_CONF", "SECRET_KEY")
kept = {{key: os.environ.get(key) for key in names}}
with (here / "asked.jsonl").open("a") as log:
    print(json.dumps([name, sys.argv[1:], kept]), file=log)
if name == "sacctmgr":
    print("\\n".join(told["clusters"]))
    time.sleep(told["sacctmgr_sleep"])
    sys.exit(told["sacctmgr_status"])
options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
rows = [line.split("|") for line in (here / "rows.psv").read_text().splitlines()]
places = [rows[0].index(column) for column in options["--format"].split(",")]
if options["--clusters"] not in told["clusters"] or told["empty"]:
    rows = rows[:1]
text = "".join("|".join(row[place] for place in places) + "\\n" for row in rows)
out = sys.stdout.buffer
if told["before"]:
    out.write(told["before"].encode())
if told["cut"]:
    text = text[:-told["cut"]]
out.write(text.encode())
out.flush()
while told["endless"]:
    out.write(text.encode())
if told["child"]:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (here / "child.pid").write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
sys.stderr.write(told["stderr"])
sys.stderr.flush()
time.sleep(told["sleep"])
sys.exit(told["status"])
"""
TOLD: dict[str, Any] = {
    "clusters": ["demo25"], "empty": False, "before": "", "cut": 0, "endless": False,
    "child": False, "stderr": "", "sleep": 0, "status": 0, "sacctmgr_status": 0,
    "sacctmgr_sleep": 0,
}  # fmt: skip


class FakeSacct:
    """The script and its folder; ``tell`` changes how it behaves from then on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sacct = folder / "sacct"
        lines = recorded("25.05/sacct-X-D-epoch.psv").decode().splitlines()
        width = lines[0].count("|")
        # The second half of a name with a line feed is short; names stand last and are not asked.
        whole = [line for line in lines if line.count("|") >= width]
        (folder / "rows.psv").write_text("\n".join(whole) + "\n")
        for name in ("sacct", "sacctmgr"):
            script = folder / name
            script.write_text(SCRIPT.format(python=sys.executable, folder=str(folder)))
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        self.tell()

    def tell(self, **told: Any) -> None:
        (self.folder / "told.json").write_text(json.dumps(TOLD | told))

    def repeat(self, times: int) -> None:
        """Print each row so many times."""
        header, *rows = (self.folder / "rows.psv").read_text().splitlines(keepends=True)
        (self.folder / "rows.psv").write_text(header + "".join(rows) * times)

    def asked(self) -> list[tuple[str, list[str], dict[str, str | None]]]:
        """Which program was called, with which arguments and variables."""
        log = self.folder / "asked.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [tuple(json.loads(line)) for line in lines]
