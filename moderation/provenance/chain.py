"""Who signs content credentials: a certificate of the operator's, or one that Licet makes itself.

The self-made chain is a pure function of one secret: every process of a deployment makes the same two
certificates without a file between them. It proves "made by this deployment" to whoever has its root;
that a stranger's tool trusts it takes a certificate of a public trust list, which is a setting.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A fixed beginning and end make the certificates the same in every process.
BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2056, 1, 1, tzinfo=UTC)
ORGANIZATION = "Licet deployment"
# Document signing (RFC 9336), one of the purposes that C2PA asks of a signer.
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
EC_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


class SignerUnusable(ValueError):
    """The configured certificate or key cannot sign content credentials; the text says why."""


@dataclass(frozen=True)
class Signer:
    """A private key with its certificates, leaf first, as PEM; ``algorithm`` in C2PA's words."""

    algorithm: str
    certificates: bytes
    key: bytes
    root: bytes


@cache
def self_made(secret: bytes) -> Signer:
    """The chain of this deployment: an Ed25519 root, and the leaf that signs."""
    root_key, leaf_key = _key(secret, b"root"), _key(secret, b"leaf")
    root_name, leaf_name = _name("Licet provenance root"), _name("Licet provenance")
    root = (
        _certificate(root_name, root_name, root_key, secret, b"root")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root_key, None)
    )
    purposes = [DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION]
    leaf = (
        _certificate(leaf_name, root_name, leaf_key, secret, b"leaf")
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, None)
    )
    pem = serialization.Encoding.PEM
    return Signer(
        algorithm="ed25519",
        certificates=leaf.public_bytes(pem) + root.public_bytes(pem),
        key=leaf_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        root=root.public_bytes(pem),
    )


def configured(certificates: bytes, key: bytes) -> Signer:
    """The operator's own chain (leaf first) and private key, both PEM. Raises SignerUnusable."""
    try:
        chain = x509.load_pem_x509_certificates(certificates)
        private = serialization.load_pem_private_key(key, password=None)
    except ValueError as mistake:
        raise SignerUnusable(f"The C2PA chain or key is no PEM: {mistake}") from mistake
    if chain[0].public_key() != private.public_key():
        raise SignerUnusable("The C2PA key is not the key of the chain's first certificate.")
    if isinstance(private, ed25519.Ed25519PrivateKey):
        algorithm = "ed25519"
    elif isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in EC_ALGORITHMS:
        algorithm = EC_ALGORITHMS[private.curve.name]
    elif isinstance(private, rsa.RSAPrivateKey):
        algorithm = "ps256"
    else:
        raise SignerUnusable("The C2PA key is none of Ed25519, P-256, P-384, P-521 and RSA.")
    last = chain[-1].public_bytes(serialization.Encoding.PEM)
    return Signer(algorithm, certificates, key, last)


def _key(secret: bytes, purpose: bytes) -> ed25519.Ed25519PrivateKey:
    seed = HKDF(hashes.SHA256(), 32, salt=None, info=b"licet c2pa 1 " + purpose).derive(secret)
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ed25519.Ed25519PrivateKey,
    secret: bytes,
    purpose: bytes,
) -> x509.CertificateBuilder:
    number = HKDF(hashes.SHA256(), 16, salt=None, info=b"licet serial 1 " + purpose).derive(secret)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(number, "big") >> 1 | 1)
        .not_valid_before(BEGINS)
        .not_valid_after(ENDS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
