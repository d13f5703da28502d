"""Certificates and tokens for a secured Kafka: a CA, certificates of broker and clients, an issuer of tokens."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

AUDIENCE, ISSUER = "kafka", "https://login.shop.example"
_KEY_ID = "test-key"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, as the settings take them."""

    certfile: Path
    keyfile: Path


class Pki:
    """What the broker trusts, under one folder; another process of the session reads it from there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.keystore = folder / "broker.pem"
        self.jwks = folder / "jwks.json"
        self._signing_key = folder / "issuer.pem"

    @classmethod
    def create(cls, folder: Path, clients: list[str]) -> "Pki":
        """Make everything; each client gets a certificate with its name as the common name."""
        folder.mkdir(parents=True)
        pki = cls(folder)
        ca = trustme.CA()
        ca.cert_pem.write_to_path(pki.ca)
        broker = ca.issue_cert("127.0.0.1")
        chain = b"".join(part.bytes() for part in broker.cert_chain_pems)
        pki.keystore.write_bytes(_pkcs8(broker.private_key_pem.bytes()) + chain)
        for client in clients:
            issued = ca.issue_cert(f"{client}.shop.example", common_name=client)
            paths = pki.certificate(client)
            issued.private_key_pem.write_to_path(paths.keyfile)
            paths.certfile.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        key = ec.generate_private_key(ec.SECP256R1())
        pki._signing_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        pki.jwks.write_text(json.dumps({"keys": [public | {"kid": _KEY_ID, "alg": "ES256", "use": "sig"}]}))
        return pki

    def certificate(self, client: str) -> Certificate:
        """Return where a client's certificate lies."""
        return Certificate(self.folder / f"{client}.pem", self.folder / f"{client}.key")

    def token(self, client: str, life_s: int, **claims: object) -> str:
        """Return a token of the issuer that is valid for this long from now."""
        now_s = int(time.time())
        return jwt.encode(
            {"sub": client, "aud": AUDIENCE, "iss": ISSUER, "iat": now_s, "exp": now_s + life_s} | claims,
            self._signing_key.read_bytes(),
            algorithm="ES256",
            headers={"kid": _KEY_ID},
        )


def _pkcs8(pem: bytes) -> bytes:
    """Return a key in the form that Kafka reads: trustme writes the one that OpenSSL called traditional."""
    return serialization.load_pem_private_key(pem, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
