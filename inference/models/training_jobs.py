"""One training of an adapter from order to registry, its losses and its samples."""

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7


class TrainingState(models.TextChoices):
    """Where a training is. The first two are open, the others final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_TRAINING_STATES = (TrainingState.QUEUED, TrainingState.RUNNING)


class TrainingJob(models.Model):
    """What was ordered, by whom, at which price, and how far it is.

    ``lease_epoch`` is the fencing token, and the attempt that receipts and blobs name. ``failures``
    counts engines that ended without a new checkpoint. Money in µUSD, ``resolution`` in px a side.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    project = models.ForeignKey("governance.Project", on_delete=models.PROTECT, related_name="+")
    api_key = models.ForeignKey(
        "governance.ApiKey", null=True, on_delete=models.PROTECT, related_name="+"
    )
    member = models.ForeignKey(
        "governance.User", null=True, on_delete=models.SET_NULL, related_name="+"
    )
    release = models.ForeignKey(
        "governance.ModelRelease", on_delete=models.PROTECT, related_name="+"
    )
    dataset = models.ForeignKey(
        "inference.TrainingDataset", on_delete=models.PROTECT, related_name="jobs"
    )
    attestation = models.ForeignKey(
        "inference.RightsAttestation", on_delete=models.PROTECT, related_name="+"
    )
    dataset_sha256 = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, blank=True)
    request_sha256 = models.CharField(max_length=64)

    name = models.CharField(max_length=100)
    trigger = models.CharField(max_length=100, blank=True)
    sample_prompt = models.TextField()
    sample_receipt = models.JSONField(default=dict)
    steps = models.PositiveIntegerField()
    rank = models.PositiveSmallIntegerField()
    learning_rate = models.FloatField()
    resolution = models.PositiveSmallIntegerField()
    seed = models.BigIntegerField()
    checkpoint_every = models.PositiveIntegerField()
    sample_every = models.PositiveIntegerField()

    authorization = models.JSONField(default=dict)
    quote = models.JSONField(default=dict)
    quoted_microusd = models.BigIntegerField(default=0)
    charged_microusd = models.BigIntegerField(default=0)
    hold_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True, unique=True)

    state = models.CharField(max_length=16, choices=TrainingState, default=TrainingState.QUEUED)
    failures = models.PositiveSmallIntegerField(default=0)
    lease_epoch = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=128, blank=True)
    step = models.PositiveIntegerField(default=0)
    # Where the next attempt goes on: a blob that the trainer wrote, and its hash.
    checkpoint_step = models.PositiveIntegerField(default=0)
    checkpoint_blob = models.CharField(max_length=200, blank=True)
    checkpoint_sha256 = models.CharField(max_length=64, blank=True)
    adapter = models.OneToOneField(
        "inference.Adapter", null=True, on_delete=models.PROTECT, related_name="training"
    )
    cancel_requested_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    error_facts = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inference_training_job"
        indexes = [
            models.Index(fields=["organization", "-id"], name="training_job_by_organization"),
            models.Index(fields=["id"], name="training_job_queued", condition=Q(state="queued")),
            models.Index(
                fields=["lease_until"], name="training_job_running", condition=Q(state="running")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=TrainingState.values), name="training_job_state"
            ),
            models.CheckConstraint(
                condition=Q(charged_microusd=0) | Q(state="succeeded"),
                name="training_charged_only_when_succeeded",
            ),
            models.CheckConstraint(
                condition=Q(charged_microusd__gte=0)
                & Q(charged_microusd__lte=F("quoted_microusd")),
                name="training_charged_within_quote",
            ),
            models.CheckConstraint(
                condition=Q(state="succeeded", adapter__isnull=False)
                | ~Q(state="succeeded") & Q(adapter__isnull=True),
                name="training_succeeded_with_an_adapter",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("queued", "running"), finished_at__isnull=True)
                | Q(state__in=("succeeded", "failed", "cancelled")) & Q(finished_at__isnull=False),
                name="training_finished_when_final",
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease_until__isnull=False),
                name="training_running_has_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(steps__gte=1, rank__gte=1, learning_rate__gt=0),
                name="training_recipe_is_positive",
            ),
        ]

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in OPEN_TRAINING_STATES


class TrainingLoss(models.Model):
    """The mean loss of one step; a step that an attempt repeats after a crash keeps its first value."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="losses")
    step = models.PositiveIntegerField()
    loss = models.FloatField()

    class Meta:
        db_table = "inference_training_loss"
        constraints = [
            models.UniqueConstraint(fields=["job", "step"], name="training_loss_once_per_step")
        ]


class TrainingSample(models.Model):
    """What the adapter drew after a step: released with the gate's receipt, or withheld with a reason."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    job = models.ForeignKey(TrainingJob, on_delete=models.PROTECT, related_name="samples")
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    step = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    media_type = models.CharField(max_length=32, blank=True)
    blob = models.CharField(max_length=200, blank=True)
    receipt = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "inference_training_sample"
        constraints = [
            models.UniqueConstraint(fields=["job", "step"], name="training_sample_once_per_step"),
            models.CheckConstraint(
                condition=Q(blob="") & ~Q(error_code="") | Q(receipt__has_key="signature"),
                name="training_sample_has_a_receipt",
            ),
        ]
