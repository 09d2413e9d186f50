"""Checkpoints as signed notes: C2SP signed-note and tlog-checkpoint, Ed25519.

A note is text, an empty line and signature lines ``— name base64(key id, signature)``. A checkpoint's
text is origin, size, root in base64, and here one extension line with the time.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ED25519 = b"\x01"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class NoteInvalid(ValueError):
    """The note is not of this form, or no signature of the key fits."""


@dataclass(frozen=True)
class Checkpoint:
    """Size and root of the log at a moment, whole seconds of UTC."""

    origin: str
    size: int
    root: bytes
    at: datetime

    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode()
        moment = self.at.astimezone(UTC).strftime(TIME_FORMAT)
        return f"{self.origin}\n{self.size}\n{root}\ntime {moment}\n"


class NoteSigner:
    """An Ed25519 key with the name that it signs under; the seed is derived from any secret text."""

    def __init__(self, name: str, secret: str) -> None:
        assert name, "a key has a name"
        assert not set(name) & {"+", " ", "\n"}, "a key's name has no plus and no space"
        self.name = name
        seed = hashlib.sha256(b"licet audit log signer\n" + secret.encode()).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._public = ED25519 + raw

    @property
    def verifier_key(self) -> str:
        """``name+keyid+base64(algorithm, public key)``: what a verifier is given."""
        encoded = base64.b64encode(self._public).decode()
        return f"{self.name}+{_key_id(self.name, self._public).hex()}+{encoded}"

    def sign(self, text: str) -> str:
        """The whole note. ``text`` ends with a line feed."""
        signature = _key_id(self.name, self._public) + self._key.sign(text.encode())
        return f"{text}\n— {self.name} {base64.b64encode(signature).decode()}\n"


def verified_text(note: str, verifier_key: str) -> str:
    """The text of a note that the key signed. Raises NoteInvalid."""
    text, divider, signatures = note.rpartition("\n\n")
    if not divider:
        raise NoteInvalid("a note has an empty line before its signatures")
    name, key_id, public = _parsed_key(verifier_key)
    for line in signatures.splitlines():
        if line.startswith(f"— {name} "):
            raw = _decoded(line.rpartition(" ")[2])
            if raw[:4] == key_id:
                _check(public, raw[4:], (text + "\n").encode())
                return text + "\n"
    raise NoteInvalid(f"the note has no signature of {name}")


def parsed_checkpoint(text: str) -> Checkpoint:
    """The fields of a checkpoint's text. Raises NoteInvalid."""
    try:
        origin, size, root, moment = text.splitlines()[:4]
        at = datetime.strptime(moment, f"time {TIME_FORMAT}").replace(tzinfo=UTC)
        return Checkpoint(origin, int(size), _decoded(root), at)
    except ValueError as error:
        raise NoteInvalid(f"this is no checkpoint: {error}") from error


def _parsed_key(verifier_key: str) -> tuple[str, bytes, bytes]:
    try:
        name, key_id, encoded = verifier_key.split("+", 2)
    except ValueError as error:
        raise NoteInvalid("a verifier key is name+keyid+base64") from error
    public = _decoded(encoded)
    if public[:1] != ED25519 or key_id != _key_id(name, public).hex():
        raise NoteInvalid("the verifier key is not an Ed25519 key, or its id does not fit")
    return name, bytes.fromhex(key_id), public[1:]


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise NoteInvalid(f"this is no base64: {text[:20]}") from error


def _check(public: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise NoteInvalid("the signature does not fit the text") from error
