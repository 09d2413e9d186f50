"""Pictures and caption files from a browser's form: each picture with the caption that belongs to it."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from moderation.operations.intake import MOST_BYTES

File = UploadedFile[Any]
LONGEST_TEXT_BYTES = 16_384


@dataclass(frozen=True)
class Upload:
    """One picture as it was sent, its file name, and its caption."""

    name: str
    data: bytes
    caption: str


def uploads_of(files: list[File], caption: str) -> list[Upload]:
    """The pictures among ``files``; ``cat.txt`` holds the caption of ``cat.png``, as trainers write it.

    A picture without a text of its own gets ``caption``.
    """
    texts = {stem(file): text_of(file) for file in files if is_text(file)}
    return [
        Upload(file.name or "", file.read(MOST_BYTES + 1), texts.get(stem(file)) or caption)
        for file in files
        if not is_text(file)
    ]


def is_text(file: File) -> bool:
    """Whether the file holds a caption."""
    return PurePath(file.name or "").suffix.lower() == ".txt"


def stem(file: File) -> str:
    """The file's name without its ending."""
    return PurePath(file.name or "").stem


def text_of(file: File) -> str:
    """A caption file's text, at most 16 KiB of it."""
    data: bytes = file.read(LONGEST_TEXT_BYTES)
    return data.decode(errors="replace").strip()
