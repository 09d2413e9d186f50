"""Adapter files for the slots: fetched by hash, kept on disk and in memory, prefetched by preparing."""

import logging
from collections import OrderedDict
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from safetensors.torch import load

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from inference.engine.protocol import AdapterUse
from inference.engine.slots import Pairs
from inference.kernel.adapter_names import module_name

logger = logging.getLogger(__name__)
IN_MEMORY = 32
DOWN, UP = ".lora_A.weight", ".lora_B.weight"


class AdapterUnavailable(DomainError):
    """An adapter's file is gone, or is not the one that was registered."""

    code = "adapter_unavailable"
    title = "An adapter cannot be loaded"
    status = 503


class AdapterFiles:
    """Adapters by SHA-256: memory first, then this machine's folder, then the blob store.

    Used from one thread, which prepares the next job while the present one is drawn.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or settings.LICET_HOME / "cache" / "adapters"
        self._loaded: OrderedDict[str, Pairs] = OrderedDict()

    def pairs(self, use: AdapterUse) -> Pairs:
        """The pairs of one adapter. Raises AdapterUnavailable."""
        if use.sha256 in self._loaded:
            self._loaded.move_to_end(use.sha256)
            return self._loaded[use.sha256]
        pairs = self._loaded[use.sha256] = as_pairs(self._bytes(use))
        if len(self._loaded) > IN_MEMORY:
            self._loaded.popitem(last=False)
        return pairs

    def _bytes(self, use: AdapterUse) -> bytes:
        kept = self.folder / f"{use.sha256}.safetensors"
        if kept.is_file() and sha256_hex(data := kept.read_bytes()) == use.sha256:
            return data
        try:
            with default_storage.open(use.blob, "rb") as stream:
                data = bytes(stream.read())
        except OSError as error:
            raise AdapterUnavailable(f"The file of adapter {use.id} is gone.") from error
        if sha256_hex(data) != use.sha256:
            raise AdapterUnavailable(f"The file of adapter {use.id} is not the registered one.")
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".part")
        draft.write_bytes(data)
        draft.replace(kept)
        return data


def as_pairs(data: bytes) -> Pairs:
    """The pairs of a normalised adapter file, by module."""
    tensors = load(data)
    pairs = {}
    for key, down in tensors.items():
        if key.endswith(DOWN):
            name = key.removesuffix(DOWN)
            module = module_name(name)
            assert module is not None, "only normalised files are registered"
            pairs[module] = (down, tensors[name + UP])
    return pairs
