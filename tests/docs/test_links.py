"""Every link from one page to another file of the repository leads somewhere."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.page import ROOT, pages, read

PAGES = [str(path.relative_to(ROOT)) for path in pages()]


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """The links of *page* that lead to no file in *root*, or to no heading of one."""
    found = []
    for line, target in read(page).links():
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        aim = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        is_page = aim.suffix == ".md" and aim.is_file()
        if not aim.exists() or not aim.is_relative_to(root):
            found.append(f"line {line}: {target} leads nowhere")
        elif parts.fragment and is_page and parts.fragment not in read(aim).anchors():
            found.append(f"line {line}: {target} names no heading")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str) -> None:
    assert broken(ROOT / page) == []


@pytest.mark.parametrize("page", PAGES)
def test_scripts_in_console_blocks_exist(page: str) -> None:
    for block in read(ROOT / page).blocks:
        if block.language != "console":
            continue
        for line in block.text.splitlines():
            words = line.removeprefix("$ ").split()
            if words and words[0].startswith("scripts/"):
                assert (ROOT / words[0]).is_file(), line
                if words[0] == "scripts/bench" and len(words) > 1 and words[1][0] not in "-#":
                    assert (ROOT / "bench" / f"{words[1]}.py").is_file(), line


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    bad = tmp_path / "bad.md"
    bad.write_text(
        "# A page\n\n[a](#a-page) [b](#none) [c](none.md)\n[d](https://x.org/y) `[e](no)`\n"
    )
    assert broken(bad, tmp_path) == [
        "line 3: #none names no heading",
        "line 3: none.md leads nowhere",
    ]
