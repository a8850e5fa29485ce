"""A role's README says what its argument specs and defaults say today."""

from __future__ import annotations

from pathlib import Path

from hostproof.play.role_pages import page, pages

ROLES = Path(__file__).parents[3] / "roles"


def test_every_role_has_a_current_page() -> None:
    made = pages(ROLES)
    assert len(made) >= 5
    stale = [path.parent.name for path, text in made.items() if not path.exists() or path.read_text() != text]
    assert stale == [], "run: python -m hostproof.play.role_pages"


def test_a_page_shows_each_variable_with_its_default() -> None:
    spec = {
        "short_description": "Short",
        "description": ["Uses C(podman), see O(a_port)."],
        "options": {
            "a_port": {"type": "int", "description": "The port."},
            "a_mode": {"type": "str", "choices": ["", "x|y"], "description": ["Two", "lines."]},
            "a_words": {"type": "list", "elements": "str", "description": "Words."},
            "a_must": {"type": "str", "required": True, "description": "Needed."},
        },
    }
    text = page("a", spec, {"a_port": 8080, "a_mode": "", "a_words": ["b" * 80]})
    assert "Uses `podman`, see `a_port`." in text
    assert "| `a_port` | int | `8080` | The port. |" in text
    assert '| `a_mode` | `""` \\| `x|y` | `""` | Two lines. |' in text
    assert "| `a_words` | list of str | see defaults | Words. |" in text
    assert "| `a_must` | str | none: it must be given | Needed. |" in text
