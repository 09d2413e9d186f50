"""Adapters of tenants: taken in, private, denied, priced, revoked."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.timezone import now

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import InvalidRequest, NotFound
from governance.models import AuditEntry, ControlGroup, DeniedFile, ModelRelease, Organization
from governance.operations.api_keys import CreatedKey
from governance.operations.groups import join_group
from governance.operations.releases import ReleaseDenied
from governance.operations.revocation import revoke_release
from inference.kernel.adapter_files import AdapterInvalid, normalised
from inference.kernel.tensor_files import read_tensors, write_tensors
from inference.models import Adapter, Generation
from inference.operations.adapters import (
    AdapterChoice,
    AdapterExists,
    delete_adapter,
    upload_adapter,
)
from inference.operations.leases import claim_next
from inference.operations.running import command_of, run_attempt
from inference.operations.sweeping import sweep
from inference.queries.adapters import adapter_of, visible_adapters
from moderation.models import Decision
from moderation.operations.screening import PromptBlocked
from tests.factories import SYSTEM
from tests.inference.adapters_in_circulation import matrices, named, peft
from tests.inference.conftest import WORKER, SketchEngine

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]
Upload = Callable[..., Adapter]
SHAPES = {"transformer_blocks.0.attn.to_q": (6, 8)}


def file(seed: int = 1, *, size: float = 0.5) -> bytes:
    return peft(matrices(seed, SHAPES, size=size))


@pytest.fixture
def upload(release: ModelRelease, organization: Organization) -> Upload:
    def make(data: bytes | None = None, **fields: Any) -> Adapter:
        return upload_adapter(
            **{
                "data": file() if data is None else data,
                "name": "Aurora look",
                "base_slug": release.slug,
                "organization_id": organization.id,
                "actor": SYSTEM,
                "at": now(),
                **fields,
            }
        )

    return make


class TestUploadAdapter:
    def test_registers_it_with_lineage_and_notice(
        self, upload: Upload, release: ModelRelease, organization: Organization
    ) -> None:
        adapter = upload()

        entry = adapter.release
        assert (entry.kind, entry.parent, entry.organization_id) == (
            "adapter",
            release,
            organization.id,
        )
        assert entry.modified
        assert "modified version of Krea-2-Tiny-Turbo" in entry.notice
        assert AuditEntry.objects.filter(act="adapter.registered").count() == 1

    def test_keeps_the_normal_form_and_not_what_was_sent(self, upload: Upload) -> None:
        adapter = upload()

        with default_storage.open(adapter.blob, "rb") as stream:
            stored = stream.read()
        assert sha256_hex(stored) == adapter.sha256 != adapter.uploaded_sha256
        assert stored == normalised(read_tensors(file())).as_file()

    def test_says_when_it_changes_nothing(self, upload: Upload) -> None:
        assert upload(file(size=0.0)).changes_nothing
        assert not upload(file()).changes_nothing

    @pytest.mark.parametrize("which", ["as sent", "as normalised"])
    def test_refuses_a_file_on_the_deny_list(self, upload: Upload, which: str) -> None:
        data = file()
        denied = data if which == "as sent" else normalised(read_tensors(data)).as_file()
        DeniedFile.objects.create(
            sha256=sha256_hex(denied),
            reason="a bypass adapter",
            added_at=now(),
            added_by="operator",
        )

        with pytest.raises(ReleaseDenied, match="bypass"):
            upload(data)

        assert not Adapter.objects.exists()

    def test_refuses_what_is_no_adapter(self, upload: Upload) -> None:
        bad = matrices(1, {"transformer_blocks.0.norm1": (6, 8)})

        with pytest.raises(AdapterInvalid):
            upload(peft(bad))

    @pytest.mark.parametrize("where", ["name", "trigger", "metadata"])
    def test_refuses_what_says_of_itself_what_the_policy_forbids(
        self, upload: Upload, where: str
    ) -> None:
        words = "a photo of a naked child"
        tensors = named(matrices(1, SHAPES), lambda name: f"transformer.{name}")
        metadata = {"ss_tag_frequency": json.dumps({"10_set": {"1girl": 3, words: 40}})}
        sent = {
            "name": {"name": words},
            "trigger": {"trigger": words},
            "metadata": {"data": write_tensors(tensors, metadata)},
        }

        with pytest.raises(PromptBlocked):
            upload(**sent[where])

        assert not Adapter.objects.exists()
        decision = Decision.objects.get()
        assert (decision.subject_kind, decision.outcome) == ("trigger", "block")

    def test_puts_on_record_that_its_words_were_read(self, upload: Upload) -> None:
        adapter = upload(trigger="in the aurora style")

        decision = Decision.objects.get()
        assert (decision.job_id, decision.subject_kind, decision.outcome) == (
            adapter.id,
            "trigger",
            "allow",
        )

    def test_refuses_the_same_adapter_twice(self, upload: Upload) -> None:
        upload()

        with pytest.raises(AdapterExists):
            upload()


class TestVisibleAdapters:
    def test_are_the_organizations_own(
        self, upload: Upload, organizations: Callable[..., Organization], organization: Organization
    ) -> None:
        adapter, stranger = upload(), organizations(name="Stranger")

        assert list(visible_adapters(organization.id)) == [adapter]
        with pytest.raises(NotFound):
            adapter_of(stranger.id, adapter.id)

    def test_and_those_its_control_group_shares(
        self, upload: Upload, organizations: Callable[..., Organization], organization: Organization
    ) -> None:
        sister = organizations(name="Sister")
        group = ControlGroup.objects.create(name="Aurora Group")
        join_group(
            group=group, organization_ids=[organization.id, sister.id], actor=SYSTEM, at=now()
        )
        shared, private = upload(shared_with_group=True), upload(file(2))

        assert list(visible_adapters(sister.id)) == [shared]
        assert private in visible_adapters(organization.id)
        with pytest.raises(NotFound):
            delete_adapter(organization_id=sister.id, adapter_id=shared.id, actor=SYSTEM, at=now())


class TestAdaptersOnAJob:
    def test_are_priced_and_reach_the_engine_with_their_hash(
        self, submit: Submit, upload: Upload, releases: list[Any]
    ) -> None:
        plain, adapter = submit(), upload()

        job = submit(adapters=(AdapterChoice(adapter.id, 0.7),))

        claim_next(worker=WORKER, release_ids=releases, at=now())
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None
        (use,) = command_of(job, lease).adapters
        assert (use.sha256, use.strength) == (adapter.sha256, 0.7)
        assert job.quoted_microusd > plain.quoted_microusd

    def test_of_a_stranger_are_not_found(
        self, submit: Submit, upload: Upload, organizations: Callable[..., Organization]
    ) -> None:
        theirs = upload(organization_id=organizations(name="Stranger").id)

        with pytest.raises(NotFound):
            submit(adapters=(AdapterChoice(theirs.id),))

    @pytest.mark.parametrize("strength", [2.5, -2.5, float("nan")])
    def test_have_a_strength_within_limits(
        self, submit: Submit, upload: Upload, strength: float
    ) -> None:
        adapter = upload()

        with pytest.raises(InvalidRequest):
            submit(adapters=(AdapterChoice(adapter.id, strength),))

    def test_that_were_revoked_meanwhile_end_the_job_free_of_charge(
        self, submit: Submit, upload: Upload, releases: list[Any]
    ) -> None:
        adapter = upload()
        job = submit(adapters=(AdapterChoice(adapter.id),))
        revoke_release(release_id=adapter.release_id, reason="a bypass", actor=SYSTEM, at=now())
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None

        run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)

        job.refresh_from_db()
        assert (job.state, job.error_code, job.charged_microusd) == ("failed", "adapter_revoked", 0)


class TestDeadlines:
    def test_a_job_that_waits_too_long_ends_free_of_charge(self, submit: Submit) -> None:
        job = submit(deadline_s=10)

        sweep(at=now() + timedelta(seconds=11))

        job.refresh_from_db()
        assert (job.state, job.error_code) == ("failed", "deadline_exceeded")

    def test_a_running_job_stops_within_a_step_of_its_deadline(
        self, submit: Submit, releases: list[Any]
    ) -> None:
        job = submit(deadline_s=10)
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None
        Generation.objects.filter(id=job.id).update(deadline_at=now() - timedelta(seconds=1))

        ended = run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)

        job.refresh_from_db()
        assert (ended, job.state, job.error_code) == ("refused", "failed", "deadline_exceeded")
        assert job.charged_microusd == 0


class TestAdaptersApi:
    def test_uploads_lists_and_deletes(
        self, client: Client, api_key: CreatedKey, release: ModelRelease
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key.secret}"}
        body = {
            "name": "Aurora look",
            "base": release.slug,
            "file": SimpleUploadedFile("look.safetensors", file(size=0.0)),
        }

        made = client.post("/v1/adapters", body, headers=headers)

        assert made.status_code == 201, made.content
        adapter = made.json()
        assert adapter["changes_nothing"]
        assert "changes nothing" in adapter["warning"]
        assert client.get("/v1/adapters", headers=headers).json()["data"] == [adapter]
        assert client.delete(made.headers["Location"], headers=headers).status_code == 204
        assert client.get(made.headers["Location"], headers=headers).status_code == 404

    def test_says_which_key_is_wrong(
        self, client: Client, api_key: CreatedKey, release: ModelRelease
    ) -> None:
        bad = peft(matrices(1, {"vae.decoder": (2, 2)}))

        refused = client.post(
            "/v1/adapters",
            {"name": "x", "base": release.slug, "file": SimpleUploadedFile("x.safetensors", bad)},
            headers={"Authorization": f"Bearer {api_key.secret}"},
        )

        assert refused.status_code == 422
        assert "vae.decoder" in refused.json()["detail"]
