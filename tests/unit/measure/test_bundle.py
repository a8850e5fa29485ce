"""hostproof.pyz: the same bytes each time, and it runs alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hostproof
from hostproof.errors import HostproofError
from hostproof.measure.result import from_json
from hostproof.play import bundle

from . import build
from .conftest import Serve

LIMIT = 60


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Isolated, without site-packages, as on a host that has nothing but Python."""
    alone = [sys.executable, "-I", "-S", str(folder / "hostproof.pyz"), *arguments]
    return subprocess.run(alone, capture_output=True, text=True, timeout=LIMIT, cwd=folder, check=False)


def test_the_same_sources_give_the_same_bytes_and_an_equal_file_is_left_alone(tmp_path: Path) -> None:
    one, two = bundle.build(tmp_path / "one.pyz"), bundle.build(tmp_path / "deep" / "two.pyz")
    assert one.read_bytes() == two.read_bytes()
    before = one.stat()
    assert bundle.build(one).stat() == before
    one.write_bytes(b"damaged")
    assert bundle.build(one).read_bytes() == two.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "one.pyz"]


def test_it_holds_the_instrument_and_nothing_of_the_other_rooms(tmp_path: Path) -> None:
    names = zipfile.ZipFile(bundle.build(tmp_path / "h.pyz")).namelist()
    assert names == sorted(names)
    assert {"__main__.py", "pynvml.py", "cpuinfo/cpuinfo.py", "hostproof/measure/run.py"} <= set(names)
    assert not [n for n in names if n.startswith("hostproof/") and n.count("/") > 1 and "/measure/" not in n]


def test_it_says_its_version(tmp_path: Path) -> None:
    bundle.build(tmp_path / "hostproof.pyz")
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stdout.strip()) == (0, hostproof.__version__)


def test_it_measures_from_nothing_but_the_one_file(serve: Serve, tmp_path: Path) -> None:
    bundle.build(tmp_path / "hostproof.pyz")
    raw = build.config(server=build.server(url=serve().url))
    (tmp_path / "c.json").write_text(json.dumps(raw))
    done = run(tmp_path, "measure", "--config", "c.json", "--out", "r.json", "--lock", "lock")
    assert (done.returncode, done.stderr) == (0, "")
    assert from_json((tmp_path / "r.json").read_text()).find("decode", "ttft") is not None


def test_a_host_with_a_driver_reaches_pynvml_inside_the_file(tmp_path: Path) -> None:
    """The library that pynvml loads is not there, and that is what it then says."""
    pyz = bundle.build(tmp_path / "hostproof.pyz")
    code = (
        f"import sys; sys.path.insert(0, {str(pyz)!r})\n"
        "from pathlib import Path; from hostproof.measure import gpu\n"
        "import pynvml\n"
        "print(pynvml.__file__); print(gpu.find(Path('/')).problem)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert "hostproof.pyz/pynvml.py" in done.stdout


def test_every_module_of_the_instrument_imports_only_the_standard_library(tmp_path: Path) -> None:
    allowed = sys.stdlib_module_names | {"hostproof", "pynvml", "cpuinfo"}
    for file in (Path(hostproof.__file__).parent / "measure").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign = [name for name in names if name.partition(".")[0] not in allowed]
            assert not foreign, f"{file.name} imports {foreign}"


def test_a_wheel_that_is_missing_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bundle.WHEELS, "no-such-wheel", ("x.py",))
    with pytest.raises(HostproofError, match=r"no-such-wheel is not installed .* Run \./inv again"):
        bundle.build(tmp_path / "x.pyz")
