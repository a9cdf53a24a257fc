"""The page in a real browser: it works by file://, complains of nothing, fits a phone, darkens, prints."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.compare.comparison import compare_runs

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH (Debian: apt-get install chromium)")

ANSWER = re.compile(r"<title>answer: (.*?)</title>", re.DOTALL)


@pytest.fixture
def page(whole: Path) -> Path:
    """The page of a few runs."""
    file = whole / "page.html"
    compare_runs(whole, figures=False, html=file)
    return file


@pytest.fixture
def browse(tmp_path: Path) -> Callable[..., tuple[str, list[str]]]:
    """Opens a file in a browser with an empty profile; returns what it prints, and the page's complaints."""

    def run(url: str, *flags: str) -> tuple[str, list[str]]:
        command = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            f"--user-data-dir={tmp_path / 'profile'}", "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
            "--virtual-time-budget=2000", *flags, url,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return run


def _asked(page: Path, script: str) -> str:
    """A copy of the page that puts what a script finds into its title; its policy, which would forbid it, is taken out."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    copy = page.with_name("asked.html")
    copy.write_text(text.replace("</body>", f'<script>document.title = "answer: " + (() => {{ {script} }})()</script></body>'))
    return copy.as_uri()


def _answer(dom: str) -> str:
    found = ANSWER.search(dom)
    assert found is not None
    return html.unescape(found[1])


def test_it_complains_of_nothing_and_sorts_by_a_link(page: Path, browse) -> None:
    dom, complaints = browse(f"{page.as_uri()}#sort=fer4%2Facc%2Fascending", "--dump-dom")
    assert complaints == []
    assert re.findall(r'<th scope="col" data-key="(\w+)"[^>]*aria-sort="(\w+)"', dom) == [("acc", "ascending")]
    assert re.findall(r'<th scope="row" data-value="(\w+)"', dom)[:2] == ["dcgan", "stargan"]


def test_complaints_would_be_heard_and_foreign_scripts_do_not_run(page: Path, browse) -> None:
    page.write_text(
        page.read_text().replace("</body>", "<script>document.title = 'run'</script><img src='http://x.invalid/'></body>")
    )
    dom, complaints = browse(page.as_uri(), "--dump-dom")
    assert "<title>run</title>" not in dom
    assert len([line for line in complaints if "Content Security Policy" in line]) == 2


def test_clicks_sort_slide_and_pick(page: Path, browse) -> None:
    script = """
      const names = () => [...document.querySelectorAll('.scores .models')[0].rows].map((row) => row.cells[0].dataset.value);
      const head = document.querySelector('th[data-key=l1_cycle]');
      const seen = [];
      for (const turn of [1, 2]) { head.firstElementChild.click(); seen.push(head.getAttribute('aria-sort'), ...names()); }
      const film = document.querySelector('.film'), slider = film.querySelector('input');
      slider.value = 1; slider.dispatchEvent(new Event('input'));
      seen.push([...film.querySelectorAll('img')].map((image) => image.hidden).join(), film.querySelector('output').value);
      seen.push(slider.getAttribute('aria-valuetext'));
      document.querySelectorAll('.picker input')[2].click();
      const shown = [...document.querySelectorAll('[data-face]')].filter((part) => part.checkVisibility());
      seen.push(shown.map((part) => part.dataset.face).join());
      return seen.join(' | ');"""
    dom, complaints = browse(_asked(page, script), "--dump-dom")
    assert complaints == []
    assert _answer(dom).split(" | ") == [
        "ascending", "dcgan", "stargan", "descending", "stargan", "dcgan", "true,false,true", "100 images", "100 images", "2",
    ]  # fmt: skip


def test_nothing_sticks_out_of_a_phone_or_a_desk(page: Path, browse) -> None:
    script = """
      const sticksOut = (part) => part.checkVisibility() && !part.closest('.scroll *, .hidden')
        && part.getBoundingClientRect().right > innerWidth + 1;
      const wide = [...document.querySelectorAll('main *')].filter(sticksOut).map((part) => part.tagName + '.' + part.className);
      const said = [innerWidth, document.documentElement.scrollWidth, wide.slice(0, 5).join(' ')].join('|');
      parent.postMessage(said, '*');
      return said;"""
    # A window is never as narrow as a phone, a frame may be.
    frames = "".join(f'<iframe src="{_asked(page, script)}" width="{width}" height="900"></iframe>' for width in (390, 1280))
    both = page.with_name("both.html")
    both.write_text(
        f"<title></title><body>{frames}<script>const said = []; onmessage = (event) => {{ said.push(event.data); "
        "document.title = 'answer: ' + said.sort().join(' ') }</script>"
    )
    dom, _ = browse(both.as_uri(), "--dump-dom")
    assert _answer(dom) == "1280|1280| 390|390|"


def test_a_dark_screen_gets_a_dark_page(page: Path, browse, tmp_path: Path) -> None:
    picture = tmp_path / "dark.png"
    browse(page.as_uri(), f"--screenshot={picture}", "--window-size=1000,800", "--blink-settings=preferredColorScheme=0")
    with Image.open(picture) as screen:
        shades = np.asarray(screen.convert("L"))
    assert np.median(shades) < 60 and shades.max() > 200


def test_it_prints(page: Path, browse, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    browse(page.as_uri(), f"--print-to-pdf={paper}")
    content = paper.read_bytes()
    assert content.startswith(b"%PDF") and len(content) > 20_000
