"""The engine's three stages with the shipped tiny model and the real gate."""

import io
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.timezone import now
from PIL import Image

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from governance.models import Organization  # noqa: E402
from inference.engine.loading import load_model  # noqa: E402
from inference.engine.model import LoadedModel  # noqa: E402
from inference.engine.protocol import GenerateCommand  # noqa: E402
from inference.engine.studio import OutOfMemory, Studio  # noqa: E402
from inference.models import Generation, StyleReference  # noqa: E402
from inference.operations.leases import Lease  # noqa: E402
from inference.operations.moodboards import StyleChoice, StyleWish  # noqa: E402
from inference.operations.references import upload_reference  # noqa: E402
from inference.operations.running import command_of  # noqa: E402
from tests.factories import SYSTEM  # noqa: E402
from tests.inference.conftest import ramp  # noqa: E402

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
Submit = Callable[..., Generation]
TURBO = settings.BASE_DIR / "inference" / "weights" / "krea-2-tiny-turbo"


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(str(TURBO), threads=1, report=lambda _line: None)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


class Frames:
    """What the studio said, by job."""

    def __init__(self) -> None:
        self.by_job: dict[str, list[tuple[str, dict[str, Any], bytes]]] = defaultdict(list)
        self.on_frame: Callable[[str, dict[str, Any]], None] = lambda _kind, _header: None
        self.lock = threading.Lock()

    def __call__(self, kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
        with self.lock:
            self.by_job[header["ticket"]].append((kind, header, payload))
        self.on_frame(kind, header)

    def kinds(self, command: GenerateCommand) -> list[str]:
        return [kind for kind, _, _ in self.by_job[command.ticket]]

    def refusals(self, command: GenerateCommand) -> list[str]:
        return [
            header["code"] for kind, header, _ in self.by_job[command.ticket] if kind == "refused"
        ]

    def pictures(self, command: GenerateCommand) -> dict[int, np.ndarray]:
        return {
            header["index"]: np.asarray(Image.open(io.BytesIO(data))).astype(int)
            for kind, header, data in self.by_job[command.ticket]
            if kind == "released"
        }


@pytest.fixture
def frames() -> Frames:
    return Frames()


@pytest.fixture
def order(submit: Submit) -> Callable[..., GenerateCommand]:
    """The engine's order for a submitted job of 64 x 64 px."""

    def make(prompt: str = "a large red circle on a blue background", **fields: Any) -> Any:
        job = submit(prompt, width=64, height=64, **{"seed": 7, **fields})
        return command_of(job, Lease(job.id, job.organization_id, 1, 1))

    return make


def drawn(
    model: LoadedModel, frames: Frames, *commands: GenerateCommand, tokens: int = 8192
) -> None:
    """Accept all, draw all, judge all."""
    studio = Studio(model, release_slug="krea-2-tiny-turbo", send=frames, batch_tokens=tokens)
    for command in commands:
        studio.accept(command)
    studio.close()
    studio._preparer.join()
    studio.run()


@pytest.fixture
def scarce(model: LoadedModel) -> Iterator[Callable[[int], None]]:
    """A device that has memory for so many pictures at once."""
    handles = []

    def limit(pictures: int) -> None:
        def hook(_module: Any, inputs: Any) -> None:
            if inputs[0].shape[0] > pictures:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        handles.append(model.pipeline.transformer.img_in.register_forward_pre_hook(hook))

    yield limit
    for handle in handles:
        handle.remove()


@pytest.fixture
def reference(organization: Organization) -> StyleReference:
    """A grey ramp that pictures can be led by."""
    return upload_reference(
        data=png(ramp(64, 64, 3)),
        name="",
        organization_id=organization.id,
        actor=SYSTEM,
        at=now(),
    )


class TestStudio:
    def test_says_what_happens_to_a_job_in_order_and_done_once(
        self, model: LoadedModel, frames: Frames, order: Callable[..., GenerateCommand]
    ) -> None:
        command = order(images=2)

        drawn(model, frames, command)

        assert frames.kinds(command) == ["begun", *["step"] * 4, "released", "released", "done"]

    def test_draws_in_a_batch_what_each_job_draws_alone(
        self,
        model: LoadedModel,
        order: Callable[..., GenerateCommand],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Each image gets a random mark; the same one here, so that only the drawing can differ.
        monkeypatch.setattr("moderation.operations.marking.secrets.randbits", lambda _: 7)
        commands = [order(), order("a yellow star on a white background", seed=8, images=2)]
        together, alone = Frames(), Frames()

        drawn(model, together, *commands)
        for command in commands:
            drawn(model, alone, replace(command, alone=True), tokens=256)

        for command in commands:
            ours, theirs = together.pictures(command), alone.pictures(command)
            assert ours.keys() == theirs.keys() == set(range(command.images))
            assert all(np.abs(ours[i] - theirs[i]).max() <= 1 for i in ours)

    def test_draws_only_jobs_of_equal_references_together_and_says_which_led_it(
        self,
        model: LoadedModel,
        frames: Frames,
        order: Callable[..., GenerateCommand],
        reference: StyleReference,
    ) -> None:
        plain, led = order(), order(style=StyleWish((StyleChoice(reference.id, 0.8),)))

        drawn(model, frames, plain, led)

        (released,) = [each for kind, each, _ in frames.by_job[led.ticket] if kind == "released"]
        assert released["receipt"]["references"] == [reference.sha256]
        difference = frames.pictures(led)[0] - frames.pictures(plain)[0]
        assert np.abs(difference).mean() > 1

    def test_with_no_strength_draws_the_very_picture_that_is_drawn_without(
        self,
        model: LoadedModel,
        frames: Frames,
        order: Callable[..., GenerateCommand],
        reference: StyleReference,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("moderation.operations.marking.secrets.randbits", lambda _: 7)
        plain, none = order(), order(style=StyleWish((StyleChoice(reference.id, 0.0),)))

        drawn(model, frames, plain, none)

        assert np.array_equal(frames.pictures(plain)[0], frames.pictures(none)[0])

    def test_a_reference_whose_file_is_another_one_ends_the_job_unmade(
        self,
        model: LoadedModel,
        frames: Frames,
        order: Callable[..., GenerateCommand],
        reference: StyleReference,
    ) -> None:
        command = order(style=StyleWish((StyleChoice(reference.id, 0.8),)))
        default_storage.delete(reference.blob)
        default_storage.save(reference.blob, ContentFile(png(ramp(64, 64, 4))))

        drawn(model, frames, command)

        assert frames.refusals(command) == ["reference_unavailable"]

    def test_shows_previews_that_the_gate_allows_under_receipts_of_their_own(
        self, model: LoadedModel, frames: Frames, order: Callable[..., GenerateCommand]
    ) -> None:
        command = replace(order(images=2), width=128, height=128, steps=8, partial_images=2)

        drawn(model, frames, command, tokens=100)

        shown = [header for kind, header, _ in frames.by_job[command.ticket] if kind == "preview"]
        assert sorted((each["index"], each["partial"]) for each in shown) == [
            (0, 0), (0, 1), (1, 0), (1, 1),
        ]  # fmt: skip
        assert all(each["receipt"]["index"] >= 1000 for each in shown)

    def test_a_cancelled_job_stops_within_a_step_and_its_neighbour_goes_on(
        self, model: LoadedModel, frames: Frames, order: Callable[..., GenerateCommand]
    ) -> None:
        gone, stays = order(), order(seed=9)
        studio = Studio(model, release_slug="krea-2-tiny-turbo", send=frames, batch_tokens=8192)
        frames.on_frame = lambda kind, header: (
            studio.cancel(gone.ticket) if kind == "step" and header["step"] == 2 else None
        )
        studio.accept(gone)
        studio.accept(stays)
        studio.close()
        studio._preparer.join()
        studio.run()

        assert frames.kinds(gone) == ["begun", "step", "step", "done"]
        assert frames.by_job[gone.ticket][-1][1]["cancelled"] is True
        assert frames.kinds(stays)[-2:] == ["released", "done"]

    def test_a_job_cancelled_before_it_is_drawn_is_not_drawn(
        self, model: LoadedModel, frames: Frames, order: Callable[..., GenerateCommand]
    ) -> None:
        command = order()
        studio = Studio(model, release_slug="krea-2-tiny-turbo", send=frames, batch_tokens=8192)
        studio.accept(command)
        studio.cancel(command.ticket)
        studio.close()
        studio.run()

        assert "step" not in frames.kinds(command)
        assert frames.kinds(command)[-1] == "done"

    def test_draws_one_by_one_what_does_not_fit_in_memory_together(
        self,
        model: LoadedModel,
        frames: Frames,
        order: Callable[..., GenerateCommand],
        scarce: Callable[[int], None],
    ) -> None:
        command = order(images=3)
        scarce(1)

        drawn(model, frames, command)

        assert sorted(frames.pictures(command)) == [0, 1, 2]

    def test_ends_when_there_is_no_memory_for_a_single_picture(
        self,
        model: LoadedModel,
        frames: Frames,
        order: Callable[..., GenerateCommand],
        scarce: Callable[[int], None],
    ) -> None:
        command = order()
        scarce(0)

        with pytest.raises(OutOfMemory):
            drawn(model, frames, command)

        assert "done" not in frames.kinds(command)

    @pytest.mark.parametrize(
        ("value", "code"), [(float("nan"), "image_unusable"), (0.0, "image_unusable")]
    )
    def test_a_broken_picture_is_refused(
        self,
        model: LoadedModel,
        frames: Frames,
        order: Callable[..., GenerateCommand],
        value: float,
        code: str,
    ) -> None:
        command = order()
        handle = model.pipeline.vae.decoder.register_forward_hook(
            lambda _module, _inputs, output: torch.full_like(output, value)
        )

        drawn(model, frames, command)
        handle.remove()

        assert frames.refusals(command) == [code]
        assert frames.kinds(command)[-1] == "done"

    def test_a_prompt_that_the_gate_did_not_sign_is_not_drawn(
        self, model: LoadedModel, frames: Frames, order: Callable[..., GenerateCommand]
    ) -> None:
        command = replace(order(), prompt="something else")

        drawn(model, frames, command)

        assert frames.kinds(command) == ["refused", "done"]

    def test_a_prompt_too_long_is_refused_with_its_length(
        self,
        model: LoadedModel,
        frames: Frames,
        order: Callable[..., GenerateCommand],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # A web process without the tokenizer lets it through; then the engine is the one that counts.
        monkeypatch.setattr("inference.operations.planning.prompt_tokens", lambda _: None)
        command = order("circle " * 600)

        drawn(model, frames, command)

        assert frames.refusals(command) == ["prompt_too_long"]
        assert frames.by_job[command.ticket][0][1]["facts"]["limit"] == 507
