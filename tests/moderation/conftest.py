"""A gate whose policy and classifiers a test chooses."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.models import User
from moderation.classifiers import registry
from moderation.models import Decision, Reviewer
from moderation.operations.screening import screen_prompt
from tests.moderation import fakes

KEY = Actor(kind="api_key", id="key-1", label="Test key")
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Gate:
    """Sets the policy and the classifiers behind its names."""

    settings: Any
    folder: Path
    policy: Path
    paths: dict[str, str]

    def use(self, *, faulty=None, document=None, **options):
        """The policy ``document``, and ``faulty`` behind the name of that name."""
        self.paths.pop("faulty", None)
        if faulty is not None:
            self.paths["faulty"] = fakes.path_of(faulty)
        self.document = document or fakes.document(**options)
        self.text = json.dumps(self.document)
        self.policy.write_text(self.text)
        registry.forget()


@pytest.fixture
def gate(settings, tmp_path):
    settings.RECEIPT_KEY = b"a key for tests"
    settings.LICET_HOME = tmp_path
    found = Gate(
        settings, tmp_path, tmp_path / "policy.json", {"sound": fakes.path_of(fakes.Sound)}
    )
    settings.MODERATION_POLICY = str(found.policy)
    settings.MODERATION_CLASSIFIERS = found.paths
    found.use()
    yield found
    registry.forget()


def screened(text="a red circle", job_id=None, organization_id=None):
    """A prompt that the gate in force allows."""
    return screen_prompt(
        text=text, subject=job_id or uuid7(), organization_id=organization_id or uuid7(), at=AT
    )


def bright(side=64):
    """A picture that the sound classifier lets pass."""
    picture = np.full((side, side, 3), 220, dtype=np.uint8)
    picture[: side // 2] = 180
    return picture


def dark(side=64):
    """A picture that the sound classifier blocks."""
    return (bright(side) // 4).astype(np.uint8)


def person(name, *, roles=None, limit=60):
    """One of the operator's people; with ``roles`` a reviewer."""
    user = User.objects.create_user(f"{name}-{uuid7()}@example.com", name=name, is_staff=True)
    if roles is not None:
        Reviewer.objects.create(user=user, roles=list(roles), daily_limit=limit)
    return user


def acting(user):
    """The actor of a person."""
    return Actor(kind="user", id=str(user.id), label=user.email)


def decision(*, item="7", outcome="block", stage="input", actor=KEY, at=AT, **fields):
    """A decision of the gate as it stands in the log."""
    return Decision.objects.create(
        **{
            "organization_id": uuid7(),
            "job_id": uuid7(),
            "stage": stage,
            "subject_kind": "prompt" if stage == "input" else "image",
            "subject_sha256": uuid7().hex * 2,
            "policy_version": "test/1",
            "policy_hash": "0" * 64,
            "outcome": outcome,
            "item": item if outcome not in {"allow", "label"} else "",
            "complete": True,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "at": at,
            **fields,
        }
    )
