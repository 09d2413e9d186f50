"""LoRA without merging or recompiling: slots, and each image of a batch picks its own.

Every adaptable linear layer keeps S pairs of matrices of one fixed rank, slot 0 all zeros. A batch
carries one slot number per image; the change is two batched products, B_s (A_s x). Several adapters on
one image share a slot: their ranks are put side by side, each B times its strength. Nothing is
merged into the weights and no shape depends on the adapters, so nothing is compiled again.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from inference.kernel.adapter_names import ALLOWED

TEXT_MODULES = ("txt_in.", "text_fusion.")
Pairs = Mapping[str, tuple[torch.Tensor, torch.Tensor]]
"""A (rank, in) and B (out, rank) by module name."""


class AdaptersTooLarge(Exception):
    """The adapters of one image have more rank together than a slot holds."""


class AdapterMismatch(Exception):
    """An adapter was made for a model of other sizes."""


class Router:
    """Which slot each image of the batch at hand uses; None: no adapters at all, no extra work."""

    def __init__(self) -> None:
        self.index: torch.Tensor | None = None

    @contextmanager
    def using(self, index: torch.Tensor | None) -> Iterator[None]:
        """Route the forwards of this block of code; may stand inside another such block."""
        before, self.index = self.index, index
        try:
            yield
        finally:
            self.index = before


class SlotLinear(nn.Linear):
    """A linear layer with slots; made from one that exists, whose weights stay where they are."""

    router: Router
    slot_a: torch.Tensor
    slot_b: torch.Tensor

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (the base class's name)
        """``input``: (batch, ..., in)."""
        out = functional.linear(input, self.weight, self.bias)
        index = self.router.index
        if index is None:
            return out
        if index.shape[0] == 1:
            # One adapter for all there is: text fusion folds its tokens into the batch.
            low = functional.linear(input, self.slot_a[index].squeeze(0))
            return out + functional.linear(low, self.slot_b[index].squeeze(0))
        rows = input.reshape(input.shape[0], -1, input.shape[-1])
        low = torch.bmm(rows, self.slot_a[index].transpose(1, 2))
        change = torch.bmm(low, self.slot_b[index].transpose(1, 2))
        return out + change.view(out.shape)


class SlotBank:
    """All slots of one transformer. ``acquire`` and ``release`` may be called from any thread."""

    def __init__(self, transformer: nn.Module, *, slots: int, rank: int) -> None:
        self.rank = rank
        self.images, self.texts = Router(), Router()
        self.modules = {
            name: module
            for name, module in transformer.named_modules()
            if isinstance(module, nn.Linear) and ALLOWED.fullmatch(name)
        }
        for name, module in self.modules.items():
            self._open(name, module, slots + 1)
        self._held: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._free = list(range(1, slots + 1))
        self._changed = threading.Condition()

    def acquire(self, key: str, adapters: Sequence[tuple[Pairs, float]]) -> int:
        """The slot of this combination, filled if it is not there yet; waits for a free one.

        ``adapters``: pairs and strength. Raises AdaptersTooLarge and AdapterMismatch.
        """
        with self._changed:
            while (slot := self._find(key)) is None:
                self._changed.wait()
            if key not in self._held:
                self._fill(slot, adapters)
                self._held[key] = slot
            self._users[key] = self._users.get(key, 0) + 1
            return slot

    def release(self, key: str) -> None:
        """One user less; the slot's content stays until another combination needs the place."""
        with self._changed:
            self._users[key] -= 1
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop what nobody uses."""
        with self._changed:
            for key in [key for key, users in self._users.items() if users == 0]:
                self._free.append(self._held.pop(key))
                del self._users[key]

    def _open(self, name: str, module: nn.Linear, slots: int) -> None:
        router = self.texts if name.startswith(TEXT_MODULES) else self.images
        module.__class__ = SlotLinear
        module.router = router  # type: ignore[assignment]
        down = module.weight.new_zeros((slots, self.rank, module.in_features))
        up = module.weight.new_zeros((slots, module.out_features, self.rank))
        module.register_buffer("slot_a", down, persistent=False)
        module.register_buffer("slot_b", up, persistent=False)

    def _find(self, key: str) -> int | None:
        if key in self._held:
            return self._held[key]
        if not self._free:
            idle = next((each for each in self._held if self._users[each] == 0), None)
            if idle is None:
                return None
            self._free.append(self._held.pop(idle))
            del self._users[idle]
        return self._free.pop()

    def _fill(self, slot: int, adapters: Sequence[tuple[Pairs, float]]) -> None:
        try:
            self._check(adapters)
        except (AdaptersTooLarge, AdapterMismatch):
            self._free.append(slot)
            raise
        for name, module in self.modules.items():
            slot_a: Any = module.slot_a
            slot_b: Any = module.slot_b
            slot_a[slot].zero_()
            slot_b[slot].zero_()
            place = 0
            for pairs, strength in adapters:
                if name not in pairs:
                    continue
                down, up = pairs[name]
                end = place + down.shape[0]
                slot_a[slot, place:end].copy_(down)
                slot_b[slot, :, place:end].copy_(up * strength)
                place = end

    def _check(self, adapters: Sequence[tuple[Pairs, float]]) -> None:
        for pairs, _ in adapters:
            for name, (down, up) in pairs.items():
                module = self.modules.get(name)
                shape = (up.shape[0], down.shape[1])
                if module is None or shape != (module.out_features, module.in_features):
                    raise AdapterMismatch(f"{name} does not fit this model.")
        for name in self.modules:
            total = sum(pairs[name][0].shape[0] for pairs, _ in adapters if name in pairs)
            if total > self.rank:
                raise AdaptersTooLarge(
                    f"The adapters have rank {total} together; at most {self.rank} fits."
                )
