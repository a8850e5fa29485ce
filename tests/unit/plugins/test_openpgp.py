"""Fingerprints are those that gpg prints, of one key and of several, armoured or not."""

from __future__ import annotations

import base64
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostproof.shared import openpgp
from hostproof.shared.openpgp import KeyringError


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not shutil.which("gpg"):
        pytest.skip("gpg is what it is compared with, and is not here")
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    for name, kind in (("one", "ed25519"), ("two", "rsa2048")):
        gpg(
            home,
            "--passphrase",
            "",
            "--quick-generate-key",
            f"{name} <{name}@example.invalid>",
            kind,
            "sign",
            "1d",
        )
    yield home
    # Making a key starts an agent that would outlive the tests.
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, timeout=60)


def gpg(home: Path, *words: str) -> bytes:
    command = ["gpg", "--batch", "--yes", "--homedir", str(home), *words]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


def own(home: Path) -> list[str]:
    listing = gpg(home, "--with-colons", "--list-keys").decode().splitlines()
    pairs = itertools.pairwise(listing)
    return [after.split(":")[9] for before, after in pairs if before.startswith("pub:")]


def test_they_are_gpg_s_own_armoured_or_not(home: Path) -> None:
    expected = sorted(own(home))
    assert len(expected) == 2
    assert sorted(openpgp.fingerprints(gpg(home, "--export"))) == expected
    assert sorted(openpgp.fingerprints(gpg(home, "--export", "--armor"))) == expected
    assert (
        openpgp.fingerprints(gpg(home, "--export", "--armor", "one@example.invalid"))
        == [each for each in own(home) if each in expected][:1]
    )


def test_two_armoured_keys_in_one_file_are_both_seen(home: Path) -> None:
    both = b"".join(gpg(home, "--export", "--armor", f"{name}@example.invalid") for name in ("one", "two"))
    assert sorted(openpgp.fingerprints(both)) == sorted(own(home))


@pytest.mark.parametrize(
    "data", [b"", b"<html>404</html>", b"\x99\xff\xff", b"\x98\x03abc", b"\xc6", b"\x9b", b"\xc6\xe0\x00"]
)
def test_what_is_no_keyring_is_refused(data: bytes) -> None:
    with pytest.raises(KeyringError):
        openpgp.fingerprints(data)


def test_a_cut_key_is_refused(home: Path) -> None:
    whole = gpg(home, "--export", "one@example.invalid")
    with pytest.raises(KeyringError, match="ends within"):
        openpgp.fingerprints(whole[:20])
    text = base64.b64encode(whole).decode()
    with pytest.raises(KeyringError, match="no OpenPGP key"):
        openpgp.fingerprints(f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}".encode())
