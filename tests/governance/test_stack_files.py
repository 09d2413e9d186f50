"""Files that describe the stack: settings page, lock, environment, announcement."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from governance.env import Env
from governance.settings import database_from_url
from governance.settings_reference import PAGE, as_page, as_text
from governance.stack import environment
from governance.stack.announcement import announcement_from
from governance.stack.errors import StackError

ROOT = Path(__file__).resolve().parents[2]
# The hosts of package registries, spelt so that this file does not contain one.
REGISTRY_HOSTS = [
    ".".join(words)
    for words in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("deb", "debian", "org"),
        ("download", "pytorch", "org"),
    )
]


def test_the_settings_page_is_what_env_says() -> None:
    assert (ROOT / PAGE).read_text() == as_page()


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Env.model_fields.values())


def test_the_list_of_settings_shows_no_secret() -> None:
    env = Env(LICET_SECRET_KEY="do-not-show-me")  # type: ignore[call-arg]

    assert "do-not-show-me" not in as_text(env)


def test_generated_secrets_are_read_and_given_ones_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"LICET_SECRET_KEY": "kept", "LICET_API_KEY_PEPPER": "kept"}
    (tmp_path / "secrets.json").write_text(json.dumps(kept))
    monkeypatch.setenv("LICET_HOME", str(tmp_path))
    monkeypatch.setenv("LICET_SECRET_KEY", "given")

    env = Env()

    assert env.secret_key.get_secret_value() == "given"
    assert env.api_key_pepper.get_secret_value() == "kept"


def test_the_lock_has_hashes_and_no_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^[a-z0-9].*", lock, re.MULTILINE)

    assert "://" not in lock
    assert all(line.endswith("\\") for line in packages)
    assert {"django", "torch", "pytest", "uv"} <= {line.split("==")[0] for line in packages}


def test_no_file_names_the_host_of_a_package_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]

    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in files
        if path.is_file() and path.stat().st_size < 2_000_000
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    ]

    assert named == []


def test_a_changed_lock_makes_the_environment_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, venv = tmp_path / "requirements.lock", tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    lock.write_text("django==5.2")
    monkeypatch.setattr(environment, "LOCK", lock)
    monkeypatch.setattr(environment, "VENV", venv)
    monkeypatch.setattr(environment, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(environment, "STAMP", venv / "licet-stamp")
    environment.STAMP.write_text(environment.stamp())
    assert environment.is_current()

    lock.write_text("django==5.3")

    assert not environment.is_current()


def test_the_curl_line_is_one_line_that_a_shell_can_read() -> None:
    seed = '{"organization": "acme", "login_url": "/login/x", "api_key": "lct_test_k"}'

    facts = announcement_from(f"a warning first\n{seed}\n", url="http://127.0.0.1:8000")

    words = shlex.split(facts.curl())
    assert "\n" not in facts.curl()
    assert json.loads(words[words.index("-d") + 1]) == {
        "prompt": "a large red circle on a blue background"
    }
    compile(words[-1], "curl", "exec")
    assert facts.login_url == "http://127.0.0.1:8000/login/x"


def test_a_seed_without_its_line_is_one_sentence() -> None:
    with pytest.raises(StackError, match="did not print its JSON line"):
        announcement_from("Traceback", url="http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("url", "host", "pooled"),
    [
        ("postgresql://postgres@/licet?host=/tmp/some%20folder", "/tmp/some folder", True),
        ("postgresql://u:p@db.example:5433/licet?pool=off", "db.example", False),
        ("", "127.0.0.1", False),
    ],
)
def test_a_database_address_becomes_djangos_settings(url: str, host: str, *, pooled: bool) -> None:
    made = database_from_url(url)

    assert made["HOST"] == host
    assert ("pool" in made["OPTIONS"]) is pooled
    assert made["NAME"] == "licet"


def test_through_a_transaction_pooler_nothing_outlives_a_transaction() -> None:
    made = database_from_url("postgresql://u:p@bouncer:6432/licet?pool=transaction")

    assert made["OPTIONS"] == {}
    assert made["DISABLE_SERVER_SIDE_CURSORS"] is True
