"""One attempt at a training inside its process: material checked, trained, saved, sampled, told."""

import io
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Protocol
from uuid import UUID

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from numpy.typing import NDArray
from PIL import Image, ImageOps

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from inference.engine.denoise import Request, denoise
from inference.engine.encode import encoder
from inference.engine.jobs import Outbox
from inference.engine.loading import ModelNotLoaded, Source, load_model
from inference.engine.model import LoadedModel, inference_mode
from inference.engine.protocol import Cancelled
from inference.engine.text import PromptTooLong, encode_text
from inference.engine.training import Example, Recipe, train_adapter
from inference.engine.training_protocol import TrainCommand, TrainingPart, TrainingRefused
from inference.engine.vae import decode, to_bytes
from inference.kernel.adapter_files import AdapterInvalid
from moderation.operations.readiness import GateNotReady, self_test
from moderation.operations.release import Weights, release_image
from moderation.operations.screening import restore_screened_prompt
from moderation.operations.training_pictures import verify_picture_receipt

PATCH_SIDE_PX = 16
SIGN_EVERY_S = 1.0
BROKEN = "The adapter drew a broken (NaN or infinite) picture."


class Waiting(Protocol):
    """The supervisor's orders: whether to stop, and whether a step may begin."""

    @property
    def cancelled(self) -> "Flag":
        """Nobody wants the training any more."""
        ...

    @property
    def may_run(self) -> "Flag":
        """The device is free for a step."""
        ...


class Flag(Protocol):
    """As threading.Event."""

    def is_set(self) -> bool:
        """Whether it is."""
        ...

    def wait(self, timeout: float) -> bool:
        """Until it is, at most ``timeout`` s."""
        ...


class MaterialMissing(DomainError):
    """A picture of the dataset is gone or is not the one that was judged."""

    code = "training_material_missing"
    title = "A picture of the dataset cannot be read"
    status = 409


def teach(command: TrainCommand, orders: Waiting, send: Outbox) -> None:
    """Train, and say how it ended. What nobody foresaw ends the process, and the job is tried again."""
    try:
        model = loaded(command, send)
    except (ModelNotLoaded, GateNotReady) as error:
        send("not_ready", {"detail": str(error)})
        return
    try:
        Lesson(command, model, orders, send).run()
    except Cancelled:
        send("cancelled", {})
    except (PromptTooLong, AdapterInvalid, DomainError) as error:
        send("failed", asdict(refusal_of(error)))


def refusal_of(error: Exception) -> TrainingRefused:
    """An expected error as the protocol's refusal."""
    if isinstance(error, AdapterInvalid):
        return TrainingRefused(
            "training_diverged",
            f"The training has diverged: {error} Lower the learning rate, or the rank.",
        )
    if isinstance(error, DomainError):
        return TrainingRefused(error.code, error.detail)
    return TrainingRefused("prompt_too_long", str(error))


def loaded(command: TrainCommand, send: Outbox) -> LoadedModel:
    """Raw, to the byte what the job names, and a gate that works. Raises ModelNotLoaded, GateNotReady."""
    send("loading", {"detail": "testing the gate's classifiers"})
    self_test("engine")
    model = load_model(
        Source(settings.MODEL_FOLDER, settings.MODEL_REVISION, settings.MODEL_COMPONENTS),
        threads=settings.ENGINE_THREADS,
        report=lambda detail: send("loading", {"detail": detail}),
        compiled=False,
    )
    if command.weights_sha256 not in {"", model.sha256}:
        raise ModelNotLoaded(
            f"{settings.MODEL_FOLDER} does not hold the registered weights of "
            f"{command.release_slug}. Set LICET_TRAINING_MODEL to the folder that does."
        )
    return model


class Lesson:
    """One attempt: its material, its checkpoints in the blob store, its samples past the gate."""

    def __init__(
        self, command: TrainCommand, model: LoadedModel, orders: Waiting, send: Outbox
    ) -> None:
        self.command, self.model = command, model
        self.orders, self.send = orders, send
        self.prompt = restore_screened_prompt(
            text=command.sample_prompt, receipt=command.sample_receipt, job_id=command.job
        )

    def run(self) -> None:
        """Raises Cancelled, PromptTooLong, AdapterInvalid and DomainError."""
        command = self.command
        with tempfile.TemporaryDirectory(prefix="licet-training-") as folder:
            checkpoint = Path(folder) / "checkpoint.pt"
            self.fetch_checkpoint(checkpoint)
            data = train_adapter(
                self.model,
                [example_of(part, command.resolution) for part in command.parts],
                self.recipe,
                on_step=self.tell_step,
                should_stop=self.should_stop,
                checkpoint=checkpoint,
                on_saved=lambda step: self.store(
                    "checkpoint", step, f"{step}.checkpoint", checkpoint.read_bytes()
                ),
                on_sample=self.sample,
            )
        self.store("trained", command.steps, "adapter.safetensors", data)

    @property
    def recipe(self) -> Recipe:
        """What the order says, as the training takes it."""
        command = self.command
        return Recipe(
            steps=command.steps,
            rank=command.rank,
            learning_rate=command.learning_rate,
            seed=command.seed,
            checkpoint_every=command.checkpoint_every,
            sample_every=command.sample_every,
        )

    def should_stop(self) -> bool:
        """Whether to end here; waits while the device is somebody else's."""
        while not self.orders.may_run.wait(SIGN_EVERY_S):
            self.send("alive", {})
        return self.orders.cancelled.is_set()

    def tell_step(self, step: int, loss: float) -> None:
        """A step was done. Raises AdapterInvalid where the loss is no number any more."""
        if not np.isfinite(loss):
            raise AdapterInvalid(f"The loss of step {step} is not finite.")
        self.send("step", {"step": step, "loss": loss})

    def fetch_checkpoint(self, place: Path) -> None:
        """Put the checkpoint to go on from where the training looks for it; from the start without."""
        kept = self.command.checkpoint
        if kept is None:
            return
        with default_storage.open(kept.blob, "rb") as stream:
            data = bytes(stream.read())
        if sha256_hex(data) != kept.sha256:
            raise MaterialMissing("The checkpoint is not the one that was saved.")
        place.write_bytes(data)

    def store(self, kind: str, step: int, name: str, data: bytes) -> None:
        """Put something into the blob store, and say where it is."""
        blob = default_storage.save(self.command.place(name), ContentFile(data))
        self.send(kind, {"step": step, "blob": blob, "sha256": sha256_hex(data)})

    def sample(self, step: int) -> None:
        """Draw with the adapter as it is now; only what the output gate releases leaves the process."""
        pixels = draw_sample(
            self.model, self.command, on_step=lambda _step, _of: self.send("alive", {})
        )
        if pixels is None:
            self.withheld(step, "image_unusable", BROKEN, ())
            return
        try:
            image = release_image(
                pixels=pixels,
                encode=encoder("png"),
                prompt=self.prompt,
                job_id=self.command.job,
                attempt=self.command.attempt,
                index=step,
                release_slug=self.command.release_slug,
                weights=[Weights(self.command.release_slug, "base", self.model.sha256)],
            )
        except DomainError as error:
            verdicts = tuple(each.as_json() for each in getattr(error, "verdicts", ()))
            self.withheld(step, error.code, error.detail, verdicts)
            return
        header = {
            "step": step,
            "receipt": image.receipt,
            "width": image.width,
            "height": image.height,
            "verdicts": [verdict.as_json() for verdict in image.verdicts],
        }
        self.send("sample", header, image.data)

    def withheld(
        self, step: int, code: str, detail: str, verdicts: tuple[dict[str, object], ...]
    ) -> None:
        """Say that a sample may not be seen, and why."""
        header = {"step": step, "code": code, "detail": detail, "verdicts": list(verdicts)}
        self.send("sample_refused", header)


def example_of(part: TrainingPart, resolution: int) -> Example:
    """One item, read from the store and checked against both receipts.

    Raises MaterialMissing and ReceiptInvalid: nothing is learned that the gate did not allow.
    """
    try:
        with default_storage.open(part.blob, "rb") as stream:
            data = bytes(stream.read())
    except OSError as error:
        raise MaterialMissing("A picture of the dataset is gone.", item=part.id) from error
    if sha256_hex(data) != part.sha256:
        raise MaterialMissing("A picture of the dataset was changed.", item=part.id)
    item = UUID(part.id)
    verify_picture_receipt(data=data, receipt=part.picture_receipt, subject=item)
    caption = restore_screened_prompt(text=part.caption, receipt=part.caption_receipt, job_id=item)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return Example(fitted(image.convert("RGB"), resolution), caption.text)


def fitted(image: Image.Image, resolution: int) -> NDArray[np.uint8]:
    """The picture in its own proportions with about ``resolution`` squared pixels, sides in multiples
    of 16 px; what does not fit that grid is cut from the middle outwards."""
    scale = resolution / (image.width * image.height) ** 0.5
    width, height = (
        max(PATCH_SIDE_PX, round(side * scale / PATCH_SIDE_PX) * PATCH_SIDE_PX)
        for side in image.size
    )
    return np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS))


def draw_sample(
    model: LoadedModel, command: TrainCommand, *, on_step: Callable[[int, int], None]
) -> NDArray[np.uint8] | None:
    """The sample prompt on Raw with the adapter in it, always from the same noise; None if not finite."""
    side = command.resolution
    with inference_mode():
        guided = command.guidance > 0
        request = Request(
            texts=[encode_text(model, command.sample_prompt)],
            unconditional=encode_text(model, "") if guided else None,
            width=side,
            height=side,
            steps=command.sample_steps,
            guidance=command.guidance,
            seeds=[command.seed],
        )
        latents = denoise(model, request, on_step=on_step, should_stop=lambda: False)
        pixels, finite = to_bytes(decode(model, latents, width=side, height=side))
        if not bool(finite[0]):
            return None
        picture: NDArray[np.uint8] = pixels[0].cpu().numpy()
    return picture
