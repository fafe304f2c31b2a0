"""What MkDocs has to be told, so that the same pages read well on a git host and on the site.

A link to a file that is no page leads to a page that shows the file. Of a code block that has
another word beside its language, the word is its title where it names a file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()(?!https?:)[^)#]+")
FENCE = re.compile(r"^```(?P<language>\w+) (?P<word>\S+)$", re.MULTILINE)
LANGUAGES = {".sh": "sh", ".yaml": "yaml", ".yml": "yaml"}
SHOWN = "files/"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file that is linked to, from a page or from such a file."""
    pages = [file for file in files.documentation_pages() if file.inclusion.is_included()]
    while pages:
        page = pages.pop()
        for path in files_linked_from(page):
            if not files.get_file_from_path(page_of(path)):
                shown = File.generated(
                    config,
                    page_of(path),
                    content=listing(path),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
                files.append(shown)
                pages.append(shown)
    return files


def on_page_markdown(markdown: str, page: Page, **_given: object) -> str:
    """Lead links to the pages of files, and give code blocks their titles."""
    if not has_links(page.file):
        return markdown
    folder = posixpath.dirname(page.file.src_uri)

    def to_page(link: re.Match[str]) -> str:
        return posixpath.relpath(page_of(in_repository(page.file, link[0])), folder or ".")

    return FENCE.sub(with_title, LINK.sub(to_page, markdown))


def files_linked_from(page: File) -> Iterator[str]:
    for link in LINK.finditer(page.content_string) if has_links(page) else ():
        path = in_repository(page, link[0])
        if page_of(path).startswith(SHOWN):
            yield path


def has_links(page: File) -> bool:
    """Whether it is Markdown, and not a page that shows a file of another kind."""
    return not page.src_uri.startswith(SHOWN) or page.src_uri.endswith(".md.md")


def in_repository(page: File, link: str) -> str:
    """The path of what a page links to, from the root of the repository."""
    source = page.src_uri
    shown = source.startswith(SHOWN)
    place = source.removeprefix(SHOWN).removesuffix(".md") if shown else f"docs/{source}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), link))


def page_of(path: str) -> str:
    """The page that shows a file of the repository."""
    if path.startswith("docs/") and path.endswith((".md", ".png", ".svg")):
        return path.removeprefix("docs/")
    return f"{SHOWN}{path.lstrip('.')}.md"


def listing(path: str) -> str:
    """A page with the file or, of a folder, with each file in it."""
    place = ROOT / path
    if place.suffix == ".md":
        return place.read_text(encoding="utf-8")
    files = sorted(filter(Path.is_file, place.iterdir())) if place.is_dir() else [place]
    return f"# {path}\n\n" + "\n".join(map(block, files))


def block(file: Path) -> str:
    language = LANGUAGES.get(file.suffix, "text")
    text = file.read_text(encoding="utf-8").rstrip()
    return f'````{language} title="{file.name}"\n{text}\n````\n'


def with_title(fence: re.Match[str]) -> str:
    title = f' title="{fence["word"]}"' if "." in fence["word"] else ""
    return f"```{fence['language']}{title}"
