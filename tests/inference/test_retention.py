"""Images are deleted by their owner, or when their organization keeps them no longer."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidRequest, NotFound
from governance.models import AuditEntry, Organization
from inference.models import Artifact, Generation
from inference.operations.deleting import (
    delete_image,
    expire_images,
    image_retention,
    set_image_retention,
)
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from tests.inference.conftest import WORKER, SketchEngine

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(submit: Callable[..., Generation], releases: list[object]) -> Artifact:
    """A delivered image."""
    submit()
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())  # type: ignore[arg-type]
    assert lease is not None
    run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER)
    return Artifact.objects.get()


class TestDeleteImage:
    def test_the_file_goes_and_the_evidence_stays(
        self,
        image: Artifact,
        django_capture_on_commit_callbacks: Callable[..., object],
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
            delete_image(
                organization_id=image.organization_id,
                generation_id=image.generation_id,
                index=0,
                actor=SYSTEM,
                at=now(),
            )

        image.refresh_from_db()
        assert image.deleted_at is not None
        assert image.receipt["signature"]
        assert not default_storage.exists(image.blob)
        assert AuditEntry.objects.filter(act="image.erased").count() == 1

    def test_another_organizations_image_is_not_found(
        self, image: Artifact, organizations: Callable[..., Organization]
    ) -> None:
        with pytest.raises(NotFound):
            delete_image(
                organization_id=organizations().id,
                generation_id=image.generation_id,
                index=0,
                actor=SYSTEM,
                at=now(),
            )


class TestRetention:
    def keep(self, image: Artifact, days: int | None) -> None:
        set_image_retention(
            organization_id=image.organization_id, days=days, actor=SYSTEM, at=now()
        )

    def test_without_a_limit_images_stay(self, image: Artifact) -> None:
        assert expire_images(at=now() + timedelta(days=5000)) == 0

    def test_images_past_the_limit_are_erased_and_others_stay(self, image: Artifact) -> None:
        self.keep(image, 30)

        assert expire_images(at=now() + timedelta(days=29)) == 0
        assert expire_images(at=now() + timedelta(days=31)) == 1
        assert expire_images(at=now() + timedelta(days=31)) == 0

    def test_a_limit_can_be_taken_back(self, image: Artifact) -> None:
        self.keep(image, 30)

        self.keep(image, None)

        assert image_retention(image.organization_id) is None
        assert expire_images(at=now() + timedelta(days=31)) == 0

    @pytest.mark.parametrize("days", [0, -1, 3651])
    def test_a_limit_out_of_range_is_refused(self, image: Artifact, days: int) -> None:
        with pytest.raises(InvalidRequest):
            self.keep(image, days)
