"""A vLLM nightly as one wheel: from wheels.vllm.ai's metadata.json to commit, version and address. Pure: whoever calls it fetches.

Layout: `<base>/{nightly|<commit>|<version>}/[<variant>/]vllm/metadata.json`, a list of wheels with a `path` relative to it (made by vLLM's
.buildkite/scripts/generate-nightly-index.py). It has no hashes: the sha256 of what was fetched first is what is required from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

BASE: Final = "https://wheels.vllm.ai"
ROLLING: Final = "nightly"
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
VARIANT: Final = re.compile(r"cu\d{3}|cpu|rocm\d*|xpu")
PLATFORM: Final = "x86_64"
# PEP 440, as far as vLLM's builds use it: 0.33.1rc1.dev12+g0123abcde.cu130
_VERSION = re.compile(
    r"(?P<release>\d+(?:\.\d+)*)(?:(?P<kind>a|b|rc)(?P<number>\d+))?(?:\.post(?P<post>\d+))?(?:\.dev(?P<dev>\d+))?"
    r"(?:\+(?P<local>[0-9a-z.]+))?"
)


class WheelIndexError(ValueError):
    """The index does not have what is wanted: what, where and how to mend it, in a sentence."""


@dataclass(frozen=True)
class Wheel:
    """One build of vLLM."""

    version: str
    """As its own metadata has it, with commit and variant: 0.33.1rc1.dev12+g0123abcde.cu130."""
    commit: str
    """All 40 digits."""
    variant: str
    """`cu130`; empty for the one without a suffix in its name, whatever CUDA that is."""
    platform: str
    url: str
    filename: str


def metadata_url(build: str, variant: str = "", base: str = BASE) -> str:
    """Where the list of wheels is. `build`: a commit's 40 digits, or `nightly` to look which is the newest.

    Raises WheelIndexError for what is neither, or for a variant that no build of vLLM has.
    """
    if build != ROLLING and not COMMIT.fullmatch(build):
        raise WheelIndexError(
            f"{build or 'an empty text'} is no commit that the index goes by: write all of its 40 digits. "
            "Short ones, as in a version after +g, have no index of their own."
        )
    if variant and not VARIANT.fullmatch(variant):
        raise WheelIndexError(f"{variant!r} is no variant of vLLM's builds. Known forms: cu130, cu129, cpu.")
    return "/".join([base.rstrip("/"), build, *([variant] if variant else []), "vllm", "metadata.json"])


def pinned_index(commit: str, variant: str = "", base: str = BASE) -> str:
    """The index that stays, for `uv --index`. Raises WheelIndexError for a rolling one: it forgets a build within hours."""
    if commit == ROLLING:
        raise WheelIndexError(
            "nightly is a rolling index: it keeps the newest build alone. Resolve it once, and pin the commit that it names."
        )
    return metadata_url(commit, variant, base).removesuffix("/vllm/metadata.json")


def wheels(metadata: object, where: str) -> tuple[Wheel, ...]:
    """Every wheel of vLLM that a metadata.json lists. `where`: its address. Raises WheelIndexError for what is no such list."""
    if not isinstance(metadata, Sequence) or isinstance(metadata, str):
        raise WheelIndexError(
            f"{where} is no list of wheels. Look at it with a browser; the index may have moved."
        )
    found = []
    for entry in metadata:
        if not isinstance(entry, Mapping) or not {"package_name", "filename", "path"} <= set(entry):
            raise WheelIndexError(
                f"{where} has an entry without package_name, filename and path: {str(entry)[:80]}"
            )
        if entry["package_name"] == "vllm":
            found.append(_wheel(entry, where))
    return tuple(found)


def _wheel(entry: Mapping[str, object], where: str) -> Wheel:
    # Some generators quote the path, some do not: `+` must become %2B exactly once.
    url = urljoin(where, quote(unquote(str(entry["path"]))))
    filename = str(entry["filename"])
    version = unquote(filename).split("-")[1] if filename.count("-") >= 4 else str(entry.get("version") or "")
    variant = str(entry.get("variant") or "")
    if not variant and (found := VARIANT.fullmatch(version.rpartition(".")[2])):
        variant = found[0]
    folder = [part for part in urlsplit(url).path.split("/") if COMMIT.fullmatch(part)]
    return Wheel(
        version=version,
        commit=folder[-1] if folder else "",
        variant=variant,
        platform=str(entry.get("platform_tag") or ""),
        url=url,
        filename=unquote(filename),
    )


def choose(found: Iterable[Wheel], *, variant: str = "", machine: str = PLATFORM, where: str = "") -> Wheel:
    """The one wheel of a variant for a machine. `variant` empty: that index's default.

    Raises WheelIndexError with what there is.
    """
    every = list(found)
    fitting = [each for each in every if each.platform.endswith(f"_{machine}")]
    if variant:
        # The default's alias folder lists it without a suffix; what CUDA it is, its libraries say (readelf, docs).
        named = [each for each in fitting if each.variant == variant]
        fitting = named or [each for each in fitting if not each.variant and f"/{variant}/" in where]
    if not fitting:
        there = sorted({f"{each.variant or 'default'} for {each.platform}" for each in every})
        raise WheelIndexError(
            f"{where or 'The index'} has no build {variant or 'of the default variant'} for {machine}. "
            f"It has: {', '.join(there) or 'nothing; a commit gets its wheels some hours after it was merged'}."
        )
    if len(fitting) > 1:
        names = ", ".join(sorted(each.filename for each in fitting))
        raise WheelIndexError(f"{where or 'The index'} has several that fit: {names}. Name the variant.")
    chosen = fitting[0]
    _must_agree(chosen, where)
    return chosen


def _must_agree(wheel: Wheel, where: str) -> None:
    short = commit_of(wheel.version)
    if not wheel.commit:
        raise WheelIndexError(
            f"{wheel.url} does not name its commit in full, so it cannot be pinned. Ask the index by commit: {BASE}/<40 digits>."
        )
    if short and not wheel.commit.startswith(short):
        raise WheelIndexError(
            f"{where or 'The index'}: {wheel.filename} says commit {short} and lies under {wheel.commit}. Do not install it."
        )


def commit_of(version: str) -> str:
    """The digits after `+g`; empty for a release."""
    found = re.search(r"\+g([0-9a-f]{7,40})(?:\.|$)", version)
    return found[1] if found else ""


def expand(short: str, commits: Iterable[str], where: str = "the commits that are known") -> str:
    """The one commit that begins so. Raises WheelIndexError if it is none or several."""
    if not re.fullmatch(r"[0-9a-f]{7,40}", short):
        raise WheelIndexError(f"{short!r} is no commit: 7 to 40 of the digits 0-9 and a-f.")
    found = sorted({commit for commit in commits if COMMIT.fullmatch(commit) and commit.startswith(short)})
    if len(found) == 1:
        return found[0]
    what = f"several commits begin with {short}" if found else f"no commit begins with {short}"
    raise WheelIndexError(
        f"In {where}, {what}. Write all 40 digits; `git rev-parse {short}` in a clone of vLLM tells them."
    )


def order(version: str) -> tuple[tuple[int, ...], tuple[int, int], int, tuple[int, int]]:
    """Sorts builds as PEP 440 does: dev before rc before final before post. What comes after `+` does not count.

    Raises WheelIndexError for what is no version.
    """
    found = _VERSION.fullmatch(version)
    if not found:
        raise WheelIndexError(
            f"{version!r} is no version of vLLM. Write it like 0.33.0 or 0.33.1rc1.dev12+g0123abcde."
        )
    release = [int(part) for part in found["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    dev = int(found["dev"]) if found["dev"] else None
    if found["kind"]:
        pre = ("a", "b", "rc").index(found["kind"]), int(found["number"])
    elif dev is not None and not found["post"]:
        pre = (-1, 0)  # a dev of the final comes before its first alpha
    else:
        pre = (3, 0)
    post = int(found["post"]) + 1 if found["post"] else 0
    return tuple(release), pre, post, (1, 0) if dev is None else (0, dev)


def newer(than: str, candidates: Iterable[Wheel]) -> tuple[Wheel, ...]:
    """Builds later than a version, the newest first. Raises WheelIndexError for what is no version."""
    since = order(than)
    found = [each for each in candidates if order(each.version) > since]
    return tuple(sorted(found, key=lambda each: order(each.version), reverse=True))
