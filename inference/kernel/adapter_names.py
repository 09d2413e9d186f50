"""The modules that an adapter may change, and the names they go by in the formats in circulation.

Diffusers names them ``transformer_blocks.3.attn.to_q``; the published checkpoint's own names are
``blocks.3.attn.wq``; kohya's trainers write either with underscores: ``lora_unet_blocks_3_attn_wq``.
"""

import re

OUTSIDE_BLOCKS = (
    "img_in",
    "final_layer.linear",
    "time_embed.linear_1",
    "time_embed.linear_2",
    "time_mod_proj",
    "txt_in.linear_1",
    "txt_in.linear_2",
    "text_fusion.projector",
)
IN_BLOCKS = (
    "attn.to_q",
    "attn.to_k",
    "attn.to_v",
    "attn.to_out.0",
    "attn.to_gate",
    "ff.gate",
    "ff.up",
    "ff.down",
)
# The trainers' "to_q" means the blocks of the text fusion as well.
BLOCKS = r"(?:transformer_blocks|text_fusion\.(?:layerwise|refiner)_blocks)\.\d{1,3}"
ALLOWED = re.compile(
    "|".join(
        [
            *map(re.escape, OUTSIDE_BLOCKS),
            rf"{BLOCKS}\.(?:{'|'.join(map(re.escape, IN_BLOCKS))})",
        ]
    )
)
PUBLISHED = {
    "first": "img_in",
    "last.linear": "final_layer.linear",
    "tmlp.0": "time_embed.linear_1",
    "tmlp.2": "time_embed.linear_2",
    "tproj.1": "time_mod_proj",
    "txtmlp.1": "txt_in.linear_1",
    "txtmlp.3": "txt_in.linear_2",
    "txtfusion.projector": "text_fusion.projector",
}
PUBLISHED_IN_BLOCKS = {
    "attn.wq": "attn.to_q",
    "attn.wk": "attn.to_k",
    "attn.wv": "attn.to_v",
    "attn.wo": "attn.to_out.0",
    "attn.gate": "attn.to_gate",
    "mlp.gate": "ff.gate",
    "mlp.up": "ff.up",
    "mlp.down": "ff.down",
}
PREFIXES = ("base_model.model.", "transformer.", "diffusion_model.", "model.diffusion_model.")
KOHYA = re.compile(r"lora_(?:unet|transformer)_(.+)")
BLOCK = re.compile(
    r"(?:(?:transformer_)?blocks|(?:text_fusion|txtfusion)[._](layerwise|refiner)_blocks)"
    r"[._](\d{1,3})[._](.+)"
)


def module_name(name: str) -> str | None:
    """The module that ``name`` stands for, as diffusers calls it; None where it is not allowed."""
    kohya = KOHYA.fullmatch(name)
    plain = kohya.group(1) if kohya else without_prefix(name)
    found = in_block(plain, underscored=bool(kohya)) or outside(plain, underscored=bool(kohya))
    return found if found is not None and ALLOWED.fullmatch(found) else None


def without_prefix(name: str) -> str:
    """``name`` without the wrappers that trainers put before it."""
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return without_prefix(name.removeprefix(prefix))
    return name


def in_block(name: str, *, underscored: bool) -> str | None:
    """A module of one of the repeated blocks, of the transformer or of its text fusion."""
    match = BLOCK.fullmatch(name)
    if match is None:
        return None
    fusion, number, rest = match.groups()
    inner = lookup(rest, {**PUBLISHED_IN_BLOCKS, **{n: n for n in IN_BLOCKS}}, underscored)
    blocks = f"text_fusion.{fusion}_blocks" if fusion else "transformer_blocks"
    return f"{blocks}.{number}.{inner}" if inner else None


def outside(name: str, *, underscored: bool) -> str | None:
    """A module outside the blocks."""
    return lookup(name, {**PUBLISHED, **{n: n for n in OUTSIDE_BLOCKS}}, underscored)


def lookup(name: str, known: dict[str, str], underscored: bool) -> str | None:  # noqa: FBT001
    """``name`` among the keys of ``known``, written with underscores where kohya does."""
    if underscored:
        known = {key.replace(".", "_"): value for key, value in known.items()}
    return known.get(name)
