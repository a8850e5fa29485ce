"""Which image a host is made from, and how it is told to be made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hostproof.errors import HostproofError
from lab import image, packages
from lab.image import AUTO, BASES, DEBIAN, PACKAGES, UBUNTU
from lab.machine import Limits, Machine
from lab.podman import Root, Said

V2 = Machine(True, "v2", "/sys/fs/cgroup", None)
HYBRID = Machine(True, "hybrid", "/sys/fs/cgroup/unified", Limits(4096, 20000))


def never() -> bool:
    raise AssertionError("the registry was asked")


def test_ubuntu_is_preferred_where_a_registry_answers() -> None:
    assert image.choose(AUTO, cached=lambda _: False, answers=lambda: True) is UBUNTU


def test_debians_packages_do_where_none_answers() -> None:
    assert image.choose(AUTO, cached=lambda _: False, answers=lambda: False) is PACKAGES


@pytest.mark.parametrize("base", [UBUNTU, PACKAGES])
def test_what_is_there_already_is_taken_without_asking(base: image.Base) -> None:
    assert image.choose(AUTO, cached=lambda one: one is base, answers=never) is base


def test_a_named_base_is_taken_whatever_is_there() -> None:
    assert image.choose("debian-13", cached=lambda _: True, answers=never) is DEBIAN


def test_a_base_can_be_named_for_everything_that_starts_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(image.BASE_VARIABLE, raising=False)
    assert image.wanted(AUTO) == AUTO
    monkeypatch.setenv(image.BASE_VARIABLE, "debian-13")
    assert image.wanted(AUTO) == "debian-13"
    assert image.wanted("ubuntu-24.04") == "ubuntu-24.04", "the option wins"


@pytest.mark.parametrize(
    ("option", "variable", "where"), [("ubuntu", "", "--base"), (AUTO, "ubuntu", image.BASE_VARIABLE)]
)
def test_an_unknown_base_is_refused_with_the_known(
    monkeypatch: pytest.MonkeyPatch, option: str, variable: str, where: str
) -> None:
    monkeypatch.setenv(image.BASE_VARIABLE, variable)
    with pytest.raises(HostproofError) as caught:
        image.wanted(option)
    assert str(caught.value) == (
        f"unknown base 'ubuntu' ({where}). Known: auto, ubuntu-24.04, debian-13, debian-13-packages."
    )


def test_another_recipe_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {image.tag(base) for base in BASES.values()}
    assert len(tags) == len(BASES)
    for file in image.FILES.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(image, "FILES", tmp_path)
    assert image.tag(UBUNTU) in tags, "the same files, elsewhere"
    (tmp_path / "sshd.conf").write_text("UseDNS yes\n")
    assert image.tag(UBUNTU) not in tags


def test_packages_have_no_comments() -> None:
    names = image.packages(UBUNTU)
    assert {"systemd", "openssh-server", "podman", "sudo", "python3"} <= set(names)
    assert all(name.strip() == name and name and not name.startswith("#") for name in names)
    assert "python3.11" in image.packages(PACKAGES)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_the_image_says_its_base_and_its_python(base: image.Base) -> None:
    name = image.tag(base)
    told = image.build_argv(base, V2, name) if base.reference else image.import_argv(base, "x.tar", name)
    assert any(f"hostproof.lab.image={base.name}" in word for word in told)
    assert any(f"hostproof.lab.python={base.python}" in word for word in told)
    assert any(name in word for word in told)


def test_a_build_gets_the_machines_limits() -> None:
    assert image.build_argv(UBUNTU, V2, "x")[:2] == ["podman", "build"]
    argv = image.build_argv(UBUNTU, HYBRID, "x")
    assert argv[1:4] == ["--runtime", "runc", "build"]
    assert "--ulimit=nofile=4096:4096" in argv


def test_the_mirror_is_debians_own_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOSTPROOF_DEBIAN_MIRROR", raising=False)
    own = image.mmdebstrap_argv(PACKAGES, "out.tar")
    assert own[-2:] == [f"deb http://deb.debian.org/debian {suite} main" for suite in ("trixie", "bookworm")]
    assert '--aptopt=APT::Default-Release "trixie"' in own
    monkeypatch.setenv("HOSTPROOF_DEBIAN_MIRROR", "http://mirror.example/debian")
    assert image.mmdebstrap_argv(PACKAGES, "out.tar")[-1] == "deb http://mirror.example/debian bookworm main"


def test_only_what_this_way_needs_is_asked_for() -> None:
    def programs(machine: Machine, base: image.Base) -> set[str]:
        return {tool.program for tool in packages.tools(machine, base)}

    assert "mmdebstrap" in programs(HYBRID, PACKAGES)
    assert "runc" in programs(HYBRID, PACKAGES)
    assert not {"mmdebstrap", "runc"} & programs(V2, UBUNTU)
    assert {"podman", "ssh", "ssh-keygen"} <= programs(V2, UBUNTU)


def test_a_missing_package_is_one_sentence_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.checks, "missing", lambda *_: ["mmdebstrap"])
    with pytest.raises(HostproofError) as caught:
        packages.ensure(packages.tools(V2, PACKAGES), install=False)
    assert str(caught.value) == (
        "`lab.up` needs system packages that are missing: mmdebstrap (this machine). "
        "Run: sudo apt-get install --yes mmdebstrap"
    )


class Builder(Root):
    """Writes down what it would run; podman has no image until one was imported."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__(V2)
        object.__setattr__(self, "ran", [])
        object.__setattr__(self, "fails", fails)

    ran: list[str]
    fails: bool

    def attempt(self, argv: Sequence[str], *, seconds: float = 60, stdin: str = "") -> Said:
        self.ran.append(" ".join(argv[:2]))
        return Said(0 if "podman import" in self.ran else 1, "", "")

    def run(self, argv: Sequence[str], *, mend: str, seconds: float = 60, stdin: str = "") -> str:
        self.ran.append(" ".join(argv[:2]) if argv[0] == "podman" else argv[0])
        if argv[0] == "mmdebstrap":
            archive = Path(next(word for word in argv if word.endswith("rootfs.tar")))
            archive.write_text("root")
            if self.fails:
                raise HostproofError("mmdebstrap failed", where="x", mend=mend)
        return ""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOSTPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_image_is_built_once_and_what_a_killed_build_left_goes(cache: Path) -> None:
    (cache / "lab-image").mkdir(parents=True)
    (cache / "lab-image" / "rootfs.tar").write_text("half")
    builder = Builder()
    assert image.build(builder, PACKAGES, print) == image.tag(PACKAGES)
    assert image.build(builder, PACKAGES, print) == image.tag(PACKAGES)
    assert [ran for ran in builder.ran if ran != "podman image"] == ["mmdebstrap", "podman import"]
    assert [path.name for path in cache.iterdir()] == [".lab-image.lock"]


def test_a_build_that_fails_leaves_nothing(cache: Path) -> None:
    with pytest.raises(HostproofError, match="mmdebstrap failed"):
        image.build(Builder(fails=True), PACKAGES, print)
    assert [path.name for path in cache.iterdir()] == [".lab-image.lock"]


def test_where_there_is_a_registry_it_is_pulled_and_built(cache: Path) -> None:
    builder = Builder()
    image.build(builder, UBUNTU, print)
    assert [ran for ran in builder.ran if ran != "podman image"] == ["podman pull", "podman build"]
