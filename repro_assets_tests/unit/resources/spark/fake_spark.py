"""A Spark home whose `bin/spark-class` is a small Python program: master and workers without a JVM.

The master says where it is and lists its workers, in Spark's own words; a worker registers and starts a child, as
Spark's starts executors. `trouble` in the home makes the next processes misbehave.
"""

from __future__ import annotations

import sys
from pathlib import Path

# An argument after the program's name: processes are told apart by their command lines, as Spark's are.
_PROGRAM = """#!{python}
import http.server, json, os, pathlib, subprocess, sys, threading, time, urllib.request

home = pathlib.Path({home!r})
trouble = (home / "trouble").read_text() if (home / "trouble").exists() else ""
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if sys.argv[1].endswith("Master"):
    workers = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if "register" in self.path:
                workers.append(int(self.path.rpartition("/")[2]))
            alive = [pid for pid in workers if is_there(pid)]
            body = json.dumps({{"workers": [{{"state": "ALIVE"}} for _ in alive], "activeapps": []}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    if trouble == "master ends":
        sys.exit("no port to bind")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    port = server.server_address[1]
    print(f"INFO Master: Starting Spark master at spark://127.0.0.1:{{port}}", flush=True)
    print(f"INFO MasterWebUI: Bound MasterWebUI to 127.0.0.1, and started at http://localhost:{{port}}", flush=True)
    (home / "environment.json").write_text(json.dumps(dict(os.environ)))
    server.serve_forever()
else:
    port = sys.argv[-1].rpartition(":")[2]
    if trouble == "worker ends":
        sys.exit("no memory")
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if trouble != "worker is silent":
        urllib.request.urlopen(f"http://127.0.0.1:{{port}}/register/{{os.getpid()}}").close()
    time.sleep(600)
"""


def make(home: Path) -> Path:
    """A Spark home in `home`."""
    program = home / "bin" / "spark-class"
    program.parent.mkdir(parents=True)
    program.write_text(_PROGRAM.format(python=sys.executable, home=str(home)))
    program.chmod(0o755)
    return home


def misbehave(home: Path, trouble: str) -> None:
    """Let the processes started from now on be in trouble."""
    (home / "trouble").write_text(trouble)
