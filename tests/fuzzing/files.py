"""Targets: uploaded files. Adapters, pictures, bundles for verify.py."""

import contextlib
import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from governance.reports import verify
from inference.kernel.adapter_files import AdapterInvalid, normalised
from inference.kernel.adapter_names import module_name
from inference.kernel.tensor_files import TensorFileInvalid, read_tensors, write_tensors
from moderation.classifiers import media_decoder
from moderation.classifiers.media_headers import MediaRefused, read_header
from moderation.provenance import watermark
from tests.fuzzing.target import Runs, Target

NAME = "transformer.transformer_blocks.0.attn.to_q"


def adapters() -> list[bytes]:
    down, up = np.ones((2, 8), np.float32), np.ones((8, 2), np.float32)
    peft = {f"{NAME}.lora_A.weight": down, f"{NAME}.lora_B.weight": up}
    kohya = "lora_unet_blocks_3_attn_wq"
    old = {
        f"{kohya}.lora_down.weight": down,
        f"{kohya}.lora_up.weight": up,
        f"{kohya}.alpha": np.array([1.0], np.float32),
    }
    return [
        write_tensors(peft, {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 2})}),
        write_tensors(old, {"ss_network_alpha": "1"}),
    ]


def read_adapter() -> Runs:
    return lambda data: normalised(read_tensors(data)).as_file()


def adapter_headers() -> list[bytes]:
    return [data[8 : 8 + int.from_bytes(data[:8], "little")] for data in adapters()]


def read_adapter_header() -> Runs:
    """The input is the header alone; its length is written before it, so that JSON is reached."""

    def run(header: bytes) -> object:
        return normalised(read_tensors(len(header).to_bytes(8, "little") + header + bytes(256)))

    return run


def read_adapter_key() -> Runs:
    return lambda data: module_name(data.decode(errors="surrogateescape"))


def pictures() -> list[bytes]:
    made = []
    for form, mode in (
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("JPEG", "RGB"),
        ("WEBP", "RGB"),
    ):
        stream = io.BytesIO()
        Image.linear_gradient("L").resize((32, 24)).convert(mode).save(stream, form)
        made.append(stream.getvalue())
    return made


def read_picture_header() -> Runs:
    return read_header


def decode_picture() -> Runs:
    """What the sandbox runs, here without it: any exception is an answer there, a hang is not."""

    def run(data: bytes) -> None:
        header = read_header(data)
        if header.width * header.height > 1 << 20:
            raise MediaRefused("media_too_many_pixels", "bounded as in intake")
        with contextlib.suppress(Exception):
            media_decoder.decode(data)

    return run


def read_watermark() -> Runs:
    def run(data: bytes) -> object:
        side = max(1, min(96, int((len(data) / 3) ** 0.5)))
        pixels = np.frombuffer(data[: side * side * 3].ljust(side * side * 3, b"\0"), np.uint8)
        return watermark.read(pixels.reshape(side, side, 3), search=len(data) % 2 == 0)

    return run


def bundles() -> list[bytes]:
    """Signed with a key of their own, as a forger would: what lies behind the signature is read too."""
    from governance.kernel.notes import NoteSigner

    signer = NoteSigner("example.org/audit", "fuzz")
    entry = json.dumps(
        {"organization": "o", "ordinal": 0, "at": "2026-01-01T00:00:00", "act": "seat.claimed",
         "facts": {"used": 1}}
    ).encode()  # fmt: skip
    import base64
    import hashlib

    root = base64.b64encode(hashlib.sha256(b"\0" + entry).digest()).decode()
    note = signer.sign(f"example.org/audit\n1\n{root}\ntime 2026-01-02T00:00:00Z\n")
    export = {
        "key.txt": signer.verifier_key.encode(),
        "former_keys.json": b"[]",
        "checkpoints.json": json.dumps([note]).encode(),
        "entries.jsonl": entry + b"\n",
    }
    return [json.dumps({name: data.decode() for name, data in export.items()}).encode()]


def verify_bundle() -> Runs:
    """The input is a JSON object of files; they are zipped, so that mutation reaches their content."""
    folder = Path(tempfile.mkdtemp(prefix="licet-fuzz-"))

    def run(data: bytes) -> object:
        path = folder / "bundle.zip"
        try:
            files = json.loads(data)
        except (ValueError, RecursionError):
            files = None
        if isinstance(files, dict):
            with zipfile.ZipFile(path, "w") as archive:
                for name, text in files.items():
                    if name and "\0" not in name and name.isprintable():
                        whole = text if isinstance(text, str) else json.dumps(text)
                        archive.writestr(name, whole.encode(errors="replace"))
        else:
            path.write_bytes(data)
        with contextlib.redirect_stdout(io.StringIO()):
            answer = verify.main([str(path)])
        assert answer in {0, 1, 2}, answer
        return answer

    return run


TARGETS = (
    Target("adapter-file", read_adapter, adapters, (TensorFileInvalid, AdapterInvalid)),
    Target(
        "adapter-header",
        read_adapter_header,
        adapter_headers,
        (TensorFileInvalid, AdapterInvalid),
        form="json",
    ),
    Target("adapter-key", read_adapter_key, lambda: [NAME.encode(), b"lora_unet_blocks_3_attn_wq"]),
    Target("picture-header", read_picture_header, pictures, (MediaRefused,)),
    Target("picture-decoder", decode_picture, pictures, (MediaRefused,)),
    Target("watermark", read_watermark, lambda: [bytes(range(256)) * 48], short=20, seconds=5.0),
    Target("verify-bundle", verify_bundle, bundles, form="json", short=200),
)
