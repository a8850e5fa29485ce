"""One server runs while the others rest, and all come back as they were found."""

from __future__ import annotations

from typing import Any

from .conftest import Site

UP: dict[str, Any] = {"active": "active", "sub": "running", "result": "success"}
DOWN: dict[str, Any] = {"active": "inactive", "sub": "dead", "result": "success"}
UNITS = ["a.service", "b.service"]


def turn(site: Site, *running: str, **more: Any) -> dict[str, Any]:
    asked = {"units": UNITS, "running": list(running), "path": str(site.folder / "found.json"), **more}
    return {"name": "turn", "hostproof.core.server_turns": asked}


def back(site: Site) -> dict[str, Any]:
    asked = {"state": "given_back", "path": str(site.folder / "found.json")}
    return {"name": "back", "hostproof.core.server_turns": asked}


def test_a_turn_stops_the_others_and_giving_back_restores_them(site: Site) -> None:
    site.set(a=UP, b=DOWN)
    played = site.play(turn(site, "b.service"))
    assert (site.state("a"), site.state("b")) == ("inactive", "active")
    assert played.of("turn")["stopped"] == ["a.service"]
    assert played.of("turn")["started"] == ["b.service"]
    played = site.play(back(site))
    assert (site.state("a"), site.state("b")) == ("active", "inactive")
    assert not (site.folder / "found.json").exists()
    assert played.of("back")["changed"]
    assert not site.play(back(site)).of("back")["changed"]


def test_what_was_found_first_is_what_comes_back_after_several_turns(site: Site) -> None:
    site.set(a=UP, b=UP)
    site.play(turn(site, "a.service"), turn(site, "b.service"), back(site))
    assert (site.state("a"), site.state("b")) == ("active", "active")


def test_a_run_that_was_cut_short_is_made_good_by_the_next(site: Site) -> None:
    site.set(a=UP, b=DOWN)
    site.play(turn(site, "b.service"))
    site.play(turn(site, "b.service"), back(site))
    assert (site.state("a"), site.state("b")) == ("active", "inactive")


def test_a_server_that_does_not_start_shows_the_end_of_its_log(site: Site) -> None:
    site.set(a=UP, b={**DOWN, "broken": True})
    played = site.play(turn(site, "b.service"))
    assert played.status == 2
    assert "b.service does not start: Job for b.service failed." in played.message
    assert played.message.endswith("loading the model\nno such file: model.gguf")
    site.play(back(site))
    assert site.state("a") == "active"


def test_a_unit_that_the_host_lost_meanwhile_is_let_go(site: Site) -> None:
    site.set(a=UP, b=UP)
    site.play(turn(site, "a.service"))
    site.set(a=DOWN)
    assert site.play(back(site)).status == 0
    assert site.state("a") == "active"


def test_check_mode_says_what_would_happen_and_does_nothing(site: Site) -> None:
    site.set(a=UP, b=DOWN)
    played = site.play(turn(site, "b.service"), check=True)
    assert played.of("turn")["changed"]
    assert played.of("turn")["stopped"] == ["a.service"]
    assert (site.state("a"), site.state("b")) == ("active", "inactive")
    assert not (site.folder / "found.json").exists()


def test_a_note_that_is_none_is_refused(site: Site) -> None:
    (site.folder / "found.json").write_text("{}")
    assert "cannot be read" in site.play(back(site)).message
