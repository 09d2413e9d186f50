"""Moodboards: several references of one organization under one name."""

from collections.abc import Callable

import pytest
from django.utils.timezone import now

from governance.kernel.errors import NotFound
from governance.models import Organization
from inference.models import Generation
from inference.operations.moodboards import (
    StyleChoice,
    StyleWish,
    create_moodboard,
    delete_moodboard,
)
from inference.queries.references import references_of
from tests.factories import SYSTEM
from tests.inference.conftest import Upload, picture

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]


class TestMoodboards:
    def test_bring_all_their_references_by_weight(
        self, submit: Submit, upload: Upload, organization: Organization
    ) -> None:
        one, two = upload(picture(1)), upload(picture(5))
        board = create_moodboard(
            organization_id=organization.id,
            name="Autumn",
            entries=[StyleChoice(one.id, 0.8), StyleChoice(two.id, 0.4)],
            actor=SYSTEM,
            at=now(),
        )

        job = submit(style=StyleWish(moodboard=board.id, strength=0.6))

        assert [each["strength"] for each in job.style_references] == [0.6, 0.3]
        assert job.quote["priced"]["style_references"] == 2

    def test_take_only_references_of_their_organization(
        self, upload: Upload, organizations: Callable[..., Organization]
    ) -> None:
        mine = upload()

        with pytest.raises(NotFound):
            create_moodboard(
                organization_id=organizations(name="Stranger").id,
                name="Autumn",
                entries=[StyleChoice(mine.id, 1.0)],
                actor=SYSTEM,
                at=now(),
            )

    def test_of_a_stranger_are_not_found(
        self, submit: Submit, upload: Upload, organizations: Callable[..., Organization]
    ) -> None:
        stranger = organizations(name="Stranger").id
        board = create_moodboard(
            organization_id=stranger,
            name="Autumn",
            entries=[StyleChoice(upload(organization_id=stranger).id, 1.0)],
            actor=SYSTEM,
            at=now(),
        )

        with pytest.raises(NotFound):
            submit(style=StyleWish(moodboard=board.id))

    def test_leave_their_references_when_they_are_deleted(
        self, upload: Upload, organization: Organization
    ) -> None:
        reference = upload()
        board = create_moodboard(
            organization_id=organization.id,
            name="Autumn",
            entries=[StyleChoice(reference.id, 1.0)],
            actor=SYSTEM,
            at=now(),
        )

        delete_moodboard(
            organization_id=organization.id, moodboard_id=board.id, actor=SYSTEM, at=now()
        )

        assert list(references_of(organization.id)) == [reference]
