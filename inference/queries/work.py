"""How much work a generation is: the formula behind fair share, estimated waits and backlog."""

from dataclasses import dataclass

PATCH_SIDE_PX = 16
TYPICAL_TEXT_TOKENS = 64
# Per forward of Krea 2: 24.31 GFLOP per token in the linear layers, 0.688 MFLOP per pair of tokens in
# attention (derived from the published configuration; see docs/architecture.md).
LINEAR_GFLOP_PER_TOKEN = 24.31
ATTENTION_GFLOP_PER_PAIR = 0.000688
# The share of the blocks that style references have a say in (inference.engine.style).
LENT_BLOCKS = 0.75


@dataclass(frozen=True)
class Size:
    """Width and height in px, multiples of 16."""

    width: int
    height: int

    @property
    def tokens(self) -> int:
        """Image tokens: one per 16 x 16 px."""
        return (self.width // PATCH_SIDE_PX) * (self.height // PATCH_SIDE_PX)


def rounded_up(side: int) -> int:
    """``side`` px rounded up to the next multiple of 16, as the model does."""
    return -(-side // PATCH_SIDE_PX) * PATCH_SIDE_PX


def work_gflop(
    *, size: Size, steps: int, guided: bool, images: int, style_references: int = 0
) -> int:
    """GFLOP of the transformer for a whole request; guidance doubles the forwards.

    Each style reference adds its keys to the attention of every image, and a forward a step for the
    request, as if nothing of it were kept yet.
    """
    tokens = size.tokens + TYPICAL_TEXT_TOKENS
    forward = LINEAR_GFLOP_PER_TOKEN * tokens + ATTENTION_GFLOP_PER_PAIR * tokens * tokens
    lent = LENT_BLOCKS * ATTENTION_GFLOP_PER_PAIR * size.tokens * size.tokens * style_references
    drawn = (forward + lent) * steps * (2 if guided else 1) * images
    return round(drawn + forward * steps * style_references)
