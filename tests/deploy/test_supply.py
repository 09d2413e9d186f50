"""Dependencies: none with a licence that nobody allowed, all on the bill, and no false all-clear."""

import json
import subprocess
from email.message import Message

import pytest

from deploy.supply.audit import CLEAN, UNKNOWN, VULNERABLE, ask, report, understood
from deploy.supply.licences import (
    LOCK,
    PINNED,
    ROOT,
    Policy,
    declared,
    is_allowed,
    judge,
    policy_of,
)

ALLOWED = frozenset({"MIT", "Apache-2.0", "BSD-3-Clause"})
REACHING_FAR = ["AGPL-3.0-only", "AGPL-3.0-or-later", "SSPL-1.0", "BUSL-1.1", "GPL-3.0-only"]


def package(**headers: str) -> Message:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    "expression",
    ["MIT", "MIT OR AGPL-3.0-only", "MIT AND Apache-2.0", "Apache-2.0 WITH LLVM-exception",
     "(MIT OR GPL-2.0-only) AND BSD-3-Clause"],
)  # fmt: skip
def test_a_package_may_be_here_when_one_choice_asks_only_for_what_is_allowed(expression):
    assert is_allowed(expression, ALLOWED)


@pytest.mark.parametrize(
    "expression",
    ["AGPL-3.0-or-later", "MIT AND AGPL-3.0-only", "GPL-3.0 WITH Classpath-exception-2.0", "",
     "UNKNOWN", "Dual License", "MIT AND", "see LICENSE (in the tarball"],
)  # fmt: skip
def test_whatever_is_not_on_the_list_is_refused(expression):
    assert not is_allowed(expression, ALLOWED)


@pytest.mark.parametrize("licence", REACHING_FAR)
def test_the_policy_allows_no_licence_that_reaches_over_a_network_or_into_our_code(licence):
    assert not is_allowed(licence, policy_of().allowed)


def test_an_expression_goes_before_classifiers_and_those_before_free_words():
    policy = Policy(ALLOWED, words={"License :: OSI Approved :: MIT License": "MIT"})
    classifier = "License :: OSI Approved :: MIT License"

    assert declared(package(License_Expression="ISC", Classifier=classifier), policy) == "ISC"
    assert declared(package(Classifier=classifier, License="x"), policy) == "MIT"
    assert declared(package(License="x"), policy) == "x"
    assert declared(package(License="The whole\ntext"), policy) == ""


def test_what_a_person_has_read_holds_only_as_long_as_the_package_says_the_same():
    policy = Policy(ALLOWED, read={"tool-*": {"says": "GPL-3.0", "licence": "x", "why": "y"}})

    assert policy.was_read("tool-a", "GPL-3.0")
    assert not policy.was_read("tool-a", "AGPL-3.0-only")
    assert not policy.was_read("other", "GPL-3.0")


def test_every_package_of_the_lock_may_be_here():
    found = judge(PINNED.findall(LOCK.read_text()), policy_of())

    assert found.refused == {}
    assert found.judged > 150


def test_a_package_with_another_licence_is_named():
    found = judge(["django", "no-such-package"], Policy(frozenset({"MIT"})))

    assert list(found.refused) == ["django"]
    assert found.absent == ["no-such-package"]


def test_everything_that_a_person_has_read_says_why_it_may_be_here():
    assert all(said["licence"] and said["why"] for said in policy_of().read.values())


def answer(*packages: dict) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


SOUND = {"name": "idna", "version": "3.10", "vulns": []}
HOLED = {
    "name": "left", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}],
}  # fmt: skip
SKIPPED = {"name": "right", "skip_reason": "not found and could not be audited"}


def test_packages_that_were_all_asked_about_are_clean():
    found = understood(answer(SOUND), "")

    assert found.status == CLEAN
    assert "NOT AUDITED" not in report(found)


def test_a_known_hole_is_told_with_what_mends_it():
    found = understood(answer(SOUND, HOLED, SKIPPED), "")

    assert found.status == VULNERABLE
    assert "left 1.0: PYSEC-1 (mended in 1.1)" in report(found)


def test_a_package_that_the_database_does_not_know_is_not_called_clean():
    found = understood(answer(SOUND, SKIPPED), "No known vulnerabilities found")

    assert found.status == UNKNOWN
    assert "NOT AUDITED: 1 packages" in report(found)


def test_an_audit_of_nothing_is_not_called_clean():
    assert understood(answer(), "").status == UNKNOWN


def test_a_database_that_cannot_be_reached_is_said_so(tmp_path, monkeypatch):
    lock = tmp_path / "one.lock"
    lock.write_text(f"idna==3.10 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    found = ask(lock)

    assert found.status == UNKNOWN
    assert "could not be asked" in report(found)


def test_the_bill_names_every_package_of_the_lock_with_its_digests(tmp_path):
    bill = tmp_path / "bill.json"

    subprocess.run(["make", "--no-print-directory", "sbom", f"SBOM={bill}"],
                   cwd=ROOT, check=True, capture_output=True)  # fmt: skip

    found = json.loads(bill.read_text())
    names = {each["name"] for each in found["components"]}
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert names == set(PINNED.findall(LOCK.read_text()))
    assert all(
        reference["hashes"]
        for each in found["components"]
        for reference in each["externalReferences"]
    )
