"""Opens the golden files with another implementation: Python's `cryptography` and `hmac`. Run by hand:

    pip install cryptography && python3 open.py format-1.txt

It follows the documentation alone (README.md of the crate), so it also shows how to recover a value without Hanzo KMS.
"""

import base64
import hashlib
import hmac
import sys
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

KEYRING_KEY, DATA_KEY = 1, 2


def derive(secret, info):
    """HKDF-SHA256 without salt, 32 bytes."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def xaes_open(key, nonce, body, associated):
    kdf = KBKDFCMAC(algorithms.AES256, Mode.CounterMode, 32, 2, None, CounterLocation.BeforeFixed, None, None, b"X\x00" + nonce[:12])
    return AESGCM(kdf.derive(key)).decrypt(nonce[12:], body, associated)


def context(purpose, scope, row, version):
    kind, _, owner = scope.partition(":")
    return (
        b"hanzo-kms seal 1"
        + purpose.to_bytes(2, "big")
        + bytes([["instance", "organization", "project"].index(kind)])
        + (UUID(owner).bytes if owner else bytes(16))
        + UUID(row).bytes
        + version.to_bytes(8, "big")
    )


def open_sealed(keys, sealed, place):
    assert sealed[0] == 1
    number = int.from_bytes(sealed[1:5], "big")
    return xaes_open(keys[number], sealed[5:29], sealed[29:], sealed[:5] + place)


def check(lines):
    root, keyring, signing_key, data_keys, values = None, {}, None, {}, 0
    for kind, *fields in (line.split() for line in lines):
        field = dict(pair.split("=", 1) for pair in fields)
        sealed = bytes.fromhex(field.get("sealed", ""))
        if kind == "root-key":
            root = derive(base64.b64decode(field["base64"]), b"hanzo-kms 1 root key: seal keyring keys")
        elif kind == "keyring-key":
            number = int(field["number"])
            place = context(KEYRING_KEY, "instance", str(UUID(int=0)), number)
            key = open_sealed({0: root}, sealed, place)
            keyring[number] = derive(key, b"hanzo-kms 1 keyring key: seal data keys")
            signing_key = signing_key or derive(key, b"hanzo-kms 1 keyring key: sign access tokens")
        elif kind == "data-key":
            number = int(field["number"])
            place = context(DATA_KEY, field["scope"], field["row"], number)
            key = open_sealed(keyring, sealed, place)
            data_keys.setdefault(field["scope"], {})[number] = derive(key, b"hanzo-kms 1 data key: seal values")
        elif kind == "value":
            place = context(int(field["purpose"]), field["scope"], field["row"], int(field["version"]))
            assert open_sealed(data_keys[field["scope"]], sealed, place) == bytes.fromhex(field["plaintext"])
            values += 1
        elif kind == "access-token":
            signed, _, signature = field["token"].rpartition(".")
            expected = hmac.new(signing_key, signed.encode(), hashlib.sha256).digest()
            assert base64.urlsafe_b64encode(expected).rstrip(b"=").decode() == signature
        else:
            raise ValueError(kind)
    return values


for name in sys.argv[1:]:
    with open(name, encoding="ascii") as file:
        print(f"{name}: {check(file)} values open")
