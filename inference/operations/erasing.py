"""What is forgotten of a person's generations and trainings when the person is erased."""

from datetime import datetime
from uuid import UUID

from governance.models import AuditEntry
from inference.models import (
    FINAL_STATES,
    OPEN_TRAINING_STATES,
    Generation,
    TrainingDataset,
    TrainingItem,
    TrainingJob,
)


def forget_person(user_id: UUID, at: datetime) -> int:  # noqa: ARG001 (the registry's signature)
    """Take the words out of a person's finished generations and trainings, and out of the datasets and
    items that they made. Images, pictures and adapters are their organization's."""
    return (
        Generation.objects.filter(member_id=user_id, state__in=FINAL_STATES).update(
            prompt="", revised_prompt="", client_user="", error_detail=""
        )
        + TrainingJob.objects.filter(member_id=user_id)
        .exclude(state__in=OPEN_TRAINING_STATES)
        .update(name="", trigger="", sample_prompt="", error_detail="", error_facts={})
        + forget_datasets(user_id)
    )


def forget_datasets(user_id: UUID) -> int:
    """Names of the datasets, names and captions of the items. The audit log knows whose they are.

    A dataset without its captions is another one, so no training begins on it any more, and one that runs
    on it ends free of charge.
    """
    mine = AuditEntry.objects.filter(actor_kind="user", actor_id=str(user_id))
    made = mine.filter(act="training_dataset.created").values_list("subject_id", flat=True)
    added = mine.filter(act__in=("training_item.added", "training_item.refused"))
    items = [facts["item"] for facts in added.values_list("facts", flat=True)]
    return TrainingDataset.objects.filter(id__in=list(made)).update(
        name=""
    ) + TrainingItem.objects.filter(id__in=items).update(
        name="", caption="", error_detail="", error_facts={}
    )
