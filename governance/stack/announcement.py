"""What a newcomer sees once all is healthy."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urljoin

from governance.stack.errors import StackError

PROMPT = "a large red circle on a blue background"
SAVE = (
    "import base64,json,sys;r=json.load(sys.stdin);"
    'd=r.get("data") or sys.exit(json.dumps(r));'
    'open("licet.png","wb").write(base64.b64decode(d[0]["b64_json"]));print("licet.png",r.get("usage"))'
)
FIELDS = ("login_url", "api_key", "organization")


@dataclass(frozen=True)
class Announcement:
    """Address, one-time login link, test key and organization."""

    url: str
    login_url: str
    api_key: str
    organization: str

    def as_json(self) -> str:
        """The single line of ``up --json``."""
        return json.dumps(
            {
                "url": self.url,
                "login_url": self.login_url,
                "api_key": self.api_key,
                "organization": self.organization,
            }
        )

    def curl(self) -> str:
        """One line to paste: makes an image and saves it as licet.png."""
        body = json.dumps({"prompt": PROMPT})
        return (
            f"curl -sS {self.url}/v1/images/generations "
            f"-H 'Authorization: Bearer {self.api_key}' -H 'Content-Type: application/json' "
            f"-d '{body}' | python3 -c {shlex.quote(SAVE)}"
        )

    def as_text(self, *, home: str) -> str:
        """The block for people."""
        return "\n".join(
            [
                "",
                f"  Licet is ready at {self.url}",
                "",
                f"  Sign in (once)  {self.login_url}",
                f"  Organization    {self.organization}",
                f"  Test API key    {self.api_key}",
                "",
                "  Make an image: paste this line in another terminal, then open licet.png",
                "",
                self.curl(),
                "",
                f"  Data and logs are in {home}. Ctrl-C stops everything; `make up` goes on from there.",
                "",
            ]
        )


def announcement_from(seed_output: str, *, url: str) -> Announcement:
    """Read the seed's JSON line, its last. Raises StackError when it is not there."""
    line = (seed_output.strip().splitlines() or [""])[-1]
    try:
        facts = json.loads(line)
        login_url, api_key, organization = (str(facts[name]) for name in FIELDS)
    except (ValueError, KeyError, TypeError):
        raise StackError(
            f"The demo seed did not print its JSON line but {line[:200]!r}.",
            "This is an error in Licet: see seed.log.",
        ) from None
    return Announcement(url, urljoin(url + "/", login_url), api_key, organization)
