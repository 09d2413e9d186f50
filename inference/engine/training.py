"""Training an adapter (LoRA) on Raw, to be used on Turbo.

The transformer is frozen; pictures and captions are encoded once. Loss: the mean square of what the model
says and noise minus clean, at a time drawn evenly from the scheduler's thousand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.training_utils import cast_training_params
from numpy.typing import NDArray
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch.nn import functional

from inference.engine.model import LoadedModel
from inference.engine.protocol import Cancelled
from inference.engine.text import text_states
from inference.engine.vae import encode
from inference.kernel.adapter_files import normalised
from inference.kernel.tensor_files import TensorFile

# Not "training": PEFT keeps adapters in modules, which have an attribute of that name.
NAME = "trainee"
# As the authors train: attention, the two large products, what comes in and what goes out.
TARGETS = [
    "to_q", "to_k", "to_v", "to_out.0", "to_gate", "ff.up", "ff.down", "img_in", "final_layer.linear",
    "text_fusion.projector", "txt_in.linear_1", "txt_in.linear_2", "time_embed.linear_1",
    "time_embed.linear_2", "time_mod_proj",
]  # fmt: skip
TIMES = 1000


@dataclass(frozen=True)
class Example:
    """One picture, (height, width, 3) bytes with sides in multiples of 16 px, and its caption."""

    pixels: NDArray[np.uint8]
    caption: str


@dataclass(frozen=True)
class Recipe:
    """How to train. The same recipe, examples and weights give the same adapter on one device."""

    steps: int
    rank: int = 32
    learning_rate: float = 3e-4
    batch: int = 1
    seed: int = 0
    checkpoint_every: int = 100
    # Steps from one sample to the next, 0: none. The last step is always one.
    sample_every: int = 0

    def saves_after(self, step: int) -> bool:
        """Whether the training is saved after ``step``: at the latest when it is done."""
        return step % self.checkpoint_every == 0 or step == self.steps

    def samples_after(self, step: int) -> bool:
        """Whether a sample is drawn after ``step``."""
        every = self.sample_every
        return every > 0 and (step % every == 0 or step == self.steps)


@dataclass(frozen=True)
class Encoded:
    """An example as the transformer sees it: packed latents and the text's tapped states."""

    latents: torch.Tensor
    taps: torch.Tensor
    width: int
    height: int


def ignore(_step: int) -> None:
    """Nobody asks."""


def train_adapter(
    model: LoadedModel,
    examples: Sequence[Example],
    recipe: Recipe,
    *,
    on_step: Callable[[int, float], None],
    should_stop: Callable[[], bool] = lambda: False,
    checkpoint: Path | None = None,
    on_saved: Callable[[int], None] = ignore,
    on_sample: Callable[[int], None] = ignore,
) -> bytes:
    """The trained adapter as a normalised file. Goes on from ``checkpoint`` where there is one.

    ``on_step`` is told the step (from 1) and its loss, ``on_saved`` that ``checkpoint`` was written;
    ``on_sample`` may draw with the model, which carries the adapter as it is by then. A sample comes
    before the checkpoint of its step, so that none is lost. Raises Cancelled within a step of
    ``should_stop`` turning true, and PromptTooLong. The model is left as it was.
    """
    run = Run(model, recipe)
    try:
        run.resume(checkpoint)
        encoded = [encoded_example(model, each) for each in examples]
        while run.step < recipe.steps:
            if should_stop():
                run.save(checkpoint)
                raise Cancelled
            on_step(run.step + 1, run.train_step(encoded))
            if recipe.samples_after(run.step):
                on_sample(run.step)
            if recipe.saves_after(run.step):
                run.save(checkpoint)
                on_saved(run.step)
        return run.as_file()
    finally:
        run.close()


@torch.no_grad()
def encoded_example(model: LoadedModel, example: Example) -> Encoded:
    """Encode one example, once. Raises PromptTooLong."""
    pixels = torch.from_numpy(example.pixels.copy()).to(model.device, model.dtype)
    latents = encode(model, (pixels.permute(2, 0, 1)[None] / 127.5) - 1)
    taps, _ = text_states(model, example.caption)
    height, width = example.pixels.shape[:2]
    return Encoded(latents, taps, width, height)


class Run:
    """One training: the adapter inside the transformer, its optimiser and where it is."""

    def __init__(self, model: LoadedModel, recipe: Recipe) -> None:
        self.model, self.recipe, self.step = model, recipe, 0
        self.transformer: Any = model.pipeline.transformer
        self.generator = torch.Generator().manual_seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        self.transformer.add_adapter(
            LoraConfig(r=recipe.rank, lora_alpha=recipe.rank, target_modules=TARGETS), NAME
        )
        # Small steps vanish in bfloat16.
        cast_training_params(self.transformer, dtype=torch.float32)
        if model.device.type == "cuda":
            self.transformer.enable_gradient_checkpointing()
        self.trained = [p for p in self.transformer.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.trained, lr=recipe.learning_rate, weight_decay=0.01)

    def train_step(self, encoded: Sequence[Encoded]) -> float:
        """One step on ``batch`` examples; returns the mean loss."""
        chosen = torch.randint(len(encoded), (self.recipe.batch,), generator=self.generator)
        total = 0.0
        for place in chosen.tolist():
            loss = self.loss(encoded[place]) / self.recipe.batch
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return total

    def loss(self, example: Encoded) -> torch.Tensor:
        """The mean square error of the velocity at one random time."""
        clean = example.latents
        noise = torch.randn(clean.shape, generator=self.generator).to(clean)
        time = (1 + torch.randint(TIMES, (1,), generator=self.generator)) / TIMES
        time = time.to(clean)
        pipe = self.model.pipeline
        side = pipe.vae_scale_factor * pipe.patch_size
        velocity = self.transformer(
            hidden_states=clean + time * (noise - clean),
            encoder_hidden_states=example.taps,
            timestep=time,
            position_ids=pipe.prepare_position_ids(
                example.taps.shape[1],
                example.height // side,
                example.width // side,
                self.model.device,
            ),
            return_dict=False,
        )[0]
        return functional.mse_loss(velocity.float(), (noise - clean).float())

    def as_file(self) -> bytes:
        """The adapter in its normal form. Raises AdapterInvalid where training has diverged."""
        state = get_peft_model_state_dict(self.transformer, adapter_name=NAME)
        tensors = {
            f"transformer.{name}": value.detach().float().cpu().numpy()
            for name, value in state.items()
        }
        return normalised(TensorFile(tensors, {})).as_file()

    def save(self, checkpoint: Path | None) -> None:
        """Write where the training is, in one rename."""
        if checkpoint is None:
            return
        draft = checkpoint.with_suffix(".part")
        torch.save(
            {
                "step": self.step,
                "adapter": get_peft_model_state_dict(self.transformer, adapter_name=NAME),
                "optimiser": self.optimiser.state_dict(),
                "generator": self.generator.get_state(),
            },
            draft,
        )
        draft.replace(checkpoint)

    def resume(self, checkpoint: Path | None) -> None:
        """Go on where ``checkpoint`` was written, if it was."""
        if checkpoint is None or not checkpoint.exists():
            return
        state = torch.load(checkpoint, weights_only=True)
        set_peft_model_state_dict(self.transformer, state["adapter"], adapter_name=NAME)
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]

    def close(self) -> None:
        """Take the adapter out of the model again."""
        self.transformer.disable_gradient_checkpointing()
        self.transformer.delete_adapters(NAME)
        for parameter in self.transformer.parameters():
            parameter.requires_grad_(requires_grad=False)
