"""What strangers wrote reaches the terminal as text only."""

import io

import pytest
from rich.console import Console

from bannerstream.cli import console, main
from bannerstream.cli.console import plain, show_rows
from bannerstream.contracts.errors import ConfigurationError

HOSTILE = "a \x1b]0;owned\x07 `call` [red]x[/red]\r\nnext"


def on_screen(monkeypatch: pytest.MonkeyPatch, name: str) -> io.StringIO:
    screen = io.StringIO()
    monkeypatch.setattr(console, name, Console(file=screen, width=200))
    return screen


def test_a_table_shows_markup_and_escape_sequences_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_screen(monkeypatch, "stdout")
    show_rows([{"reason": HOSTILE}], as_json=False, title="Dead letters", empty="")
    shown = screen.getvalue()
    assert not set("\x1b\x07\r") & set(shown)
    assert r"\x1b]0;owned\x07" in shown
    assert "[red]x[/red]" in shown


def test_a_table_that_is_too_wide_lies_on_its_side(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_screen(monkeypatch, "stdout")
    rows = [{"size": size, **{f"measure_{number:02}": number for number in range(20)}} for size in ("970x250", "all")]
    show_rows(rows, as_json=False, title="Banners", empty="")
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in screen.getvalue().splitlines()]
    assert ["measure 07", "7", "7"] in lines
    assert "970x250" in screen.getvalue()
    assert max(map(len, screen.getvalue().splitlines())) <= 200


def test_an_error_keeps_its_lines_and_nothing_else_that_moves_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: list[str]) -> None:
        raise ConfigurationError(HOSTILE)

    screen = io.StringIO()
    monkeypatch.setattr(main, "stderr", Console(file=screen, width=200))
    monkeypatch.setattr(main, "app", fail)
    assert main.run_command([]) == 3
    assert not set("\x1b\x07\r") & set(screen.getvalue())
    assert "\nnext" in screen.getvalue()


def test_what_harms_nobody_stays_as_it_is() -> None:
    assert plain("Größe\t12 \u2013 マグ") == "Größe\t12 \u2013 マグ"
