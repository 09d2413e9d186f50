"""A stack with real servers and small stand-ins for the Django processes: starts in a second.

Run as a program: ``python stand_in_stack.py HOME PORT`` does what ``manage.py up --json`` does.
"""

import json
import sys
from pathlib import Path

from governance.stack.children import Program
from governance.stack.errors import StackError
from governance.stack.generated_secrets import complete_secrets
from governance.stack.layout import Layout
from governance.stack.plan import Plan
from governance.stack.supervisor import Place, Stack

# Dies unless the seed has ended.
WEB = """
import http.server, json, sys
open(sys.argv[2]).close()
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"ready": True, "checks": {"web": {"ok": True, "detail": "stands in"}}}).encode()
        self.send_response(200); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
SLEEPER = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
while True: time.sleep(0.1)
"""
# Ends with 1 unless the web process answers already.
LATECOMER = """
import sys, time, urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/readyz", timeout=5)
time.sleep(600)
"""
SEEDER = """
import pathlib, sys, time
time.sleep(0.5)
pathlib.Path(sys.argv[1]).touch()
print(sys.argv[2])
"""
SEED = {"organization": "stand-in", "login_url": "/login/once", "api_key": "lct_test_stand_in"}
COUNT = """
import json, sys, psycopg
url = json.load(open(sys.argv[1]))["database_url"]
with psycopg.connect(url) as db:
    db.execute("CREATE TABLE IF NOT EXISTS migrations_run (at timestamptz DEFAULT now())")
    db.execute("INSERT INTO migrations_run DEFAULT VALUES")
"""


def plan(layout: Layout, port: int) -> Plan:
    """Each program in a line or two of Python."""
    python = (sys.executable, "-c")
    return Plan(
        migrate=(*python, COUNT, str(layout.addresses)),
        seed=(*python, SEEDER, str(layout.run / "seeded"), json.dumps(SEED)),
        programs=(
            Program("latecomer", (*python, LATECOMER, str(port)), late=True),
            Program("errand", (*python, "print('done')"), late=True, once=True),
            Program("folly", (*python, "raise SystemExit(3)"), late=True, once=True),
            Program("web", (*python, WEB, str(port), str(layout.run / "seeded")), after_seed=True),
            Program("worker", (*python, SLEEPER)),
        ),
    )


def main(home: Path, port: int) -> None:
    """Run until stopped."""
    layout = Layout(home)
    layout.prepare()
    complete_secrets(layout, given=())
    Stack(
        Place(layout, home, port, f"http://127.0.0.1:{port}", "127.0.0.1"),
        plan(layout, port),
        embed_database=True,
        embed_redis=True,
        announce=lambda facts: print(facts.as_json(), flush=True),  # noqa: T201
    ).run()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except StackError as error:
        sys.exit(f"licet: {error}")
