"""Content credentials (C2PA) of a released picture: what it says of itself, signed by this deployment."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import c2pa
from cryptography import x509
from django.conf import settings

from moderation.provenance import chain
from moderation.provenance.chain import Signer, SignerUnusable
from moderation.provenance.reader_program import credentials_of
from moderation.provenance.reader_program import settings as library_settings

LABEL = "org.licet.generation"
ACTIONS = "c2pa.actions.v2"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
WATERMARK = "licet-comb-1"
# Section 3.1(c) of the model's licence, word for word.
NOTICE = (
    "Krea 2 is licensed under the Krea 2 Community License Agreement. "
    "For more information, visit https://krea.ai/krea-2-licensing."
)
# The codes of C2PA that say: the signature itself holds and is by a trusted signer.
SIGNED_BY_US = {"claimSignature.validated", "signingCredential.trusted"}


@dataclass(frozen=True)
class Weights:
    """One part of what drew the picture: the release's name, base or adapter, SHA-256."""

    name: str
    kind: str
    sha256: str


@dataclass(frozen=True)
class Claim:
    """What the credentials say. No person and no organization is in here."""

    release: str
    weights: tuple[Weights, ...]
    decision_id: UUID
    policy_hash: str
    mark: str


@dataclass(frozen=True)
class Credentials:
    """The credentials of a file: state none, trusted, valid, invalid or unreadable."""

    state: str
    ours: bool = False
    manifest: str = ""
    issuer: str = ""
    failures: tuple[str, ...] = ()
    facts: dict[str, Any] | None = None
    source_type: str = ""


def sign(data: bytes, media_type: str, claim: Claim) -> bytes:
    """The file with the claim embedded. Raises c2pa.C2paError, SignerUnusable."""
    signer = own_signer()
    context = c2pa.Context(c2pa.Settings.from_dict(library_settings(roots())))
    info = c2pa.C2paSignerInfo(
        alg=signer.algorithm.encode(),
        sign_cert=signer.certificates,
        private_key=signer.key,
        ta_url=settings.C2PA_TIMESTAMP_URL.encode() or None,
    )
    signed = io.BytesIO()
    builder = c2pa.Builder(manifest_of(claim), context)
    builder.sign(c2pa.Signer.from_info(info), media_type, io.BytesIO(data), signed)
    return signed.getvalue()


def manifest_of(claim: Claim) -> dict[str, Any]:
    """The claim in C2PA's words."""
    created = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "softwareAgent": {"name": claim.release},
    }
    facts = {
        "release": claim.release,
        "weights": [
            {"name": part.name, "kind": part.kind, "sha256": part.sha256} for part in claim.weights
        ],
        "decision": str(claim.decision_id),
        "policy": claim.policy_hash,
        "watermark": {"method": WATERMARK, "mark": claim.mark},
        "notice": NOTICE,
    }
    return {
        "claim_generator_info": [{"name": "Licet", "version": "1"}],
        "title": "Image made with AI",
        "assertions": [
            {"label": ACTIONS, "data": {"actions": [created]}},
            {"label": LABEL, "data": facts},
        ],
    }


def read(data: bytes, media_type: str) -> Credentials:
    """The credentials in our own bytes. A stranger's bytes go through the sandbox instead."""
    return understood(credentials_of(data, media_type, roots()))


def understood(answer: dict[str, Any]) -> Credentials:
    """The reader's answer in our words: whether we signed it, whether the file still fits."""
    if answer["state"] == "none":
        return Credentials("none")
    signed_by_us = answer["serial"] in own_serials() and set(answer["passed"]) >= SIGNED_BY_US
    facts = answer["assertions"].get(LABEL)
    actions = (answer["assertions"].get(ACTIONS) or {}).get("actions") or [{}]
    return Credentials(
        state=answer["state"],
        ours=signed_by_us,
        manifest=answer["manifest"],
        issuer=answer["issuer"],
        failures=tuple(answer["failures"]),
        facts=facts if isinstance(facts, dict) else None,
        source_type=str(actions[0].get("digitalSourceType", "")),
    )


def own_signer() -> Signer:
    """The operator's certificate where one is configured, else the self-made one.

    Raises SignerUnusable: then nothing is released.
    """
    if not settings.C2PA_CHAIN_FILE and not settings.C2PA_KEY_FILE:
        return chain.self_made(settings.PROVENANCE_KEY)
    return _configured(str(settings.C2PA_CHAIN_FILE), str(settings.C2PA_KEY_FILE))


def roots() -> str:
    """The roots that this deployment's own signers hang from, as PEM."""
    own = {chain.self_made(settings.PROVENANCE_KEY).root, own_signer().root}
    return b"".join(sorted(own)).decode()


def own_serials() -> frozenset[str]:
    """The serial numbers of the certificates that this deployment signs with."""
    signers = (chain.self_made(settings.PROVENANCE_KEY), own_signer())
    return frozenset(_serial(signer.certificates) for signer in signers)


@cache
def _serial(certificates: bytes) -> str:
    return str(x509.load_pem_x509_certificates(certificates)[0].serial_number)


@cache
def _configured(chain_file: str, key_file: str) -> Signer:
    try:
        return chain.configured(Path(chain_file).read_bytes(), Path(key_file).read_bytes())
    except OSError as failure:
        raise SignerUnusable(f"The C2PA chain or key cannot be read: {failure}") from failure
