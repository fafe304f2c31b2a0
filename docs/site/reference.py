"""Writes what the reference takes from the code: `nox -s reference`.

A page has `<!-- from the code: NAME -->` above such a part, and `<!-- end -->` below it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from invoke import Task
from invoke.parser import Argument, ParserContext
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from buildonce.config.environments import Table
from buildonce.tasks import release_tasks

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/commands.md", ROOT / "docs/configuration.md"]
TABLES = {table.__name__: table for table in Table.__subclasses__()}
PART = re.compile(
    r"(?P<begin><!-- from the code: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)
DEFAULT = re.compile(r"\s*Default: (?P<value>.+)\.$")


def written(page: str) -> str:
    """A page, its parts as the code has them."""
    return PART.sub(lambda part: f"{part['begin']}\n{content(part['name'])}\n{part['end']}", page)


def content(name: str) -> str:
    lines = commands() if name == "commands" else keys(TABLES[name])
    return "".join(f"{line}\n" for line in lines)


def keys(table: type[Table]) -> Iterator[str]:
    """A row for each key of a table of the configuration."""
    yield "| key | default | |"
    yield "|---|---|---|"
    for name, field in table.model_fields.items():
        meaning = DEFAULT.sub("", field.description or "")
        yield f"| `{name}` | {default(field)} | {cell(meaning)} |"


def default(field: FieldInfo) -> str:
    if told := DEFAULT.search(field.description or ""):
        return told["value"]
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "as below"
    return "none" if value in (None, "") else f"`{json.dumps(value)}`"


def commands() -> Iterator[str]:
    """A section for each command: what it does, and its options."""
    collection = release_tasks(str(ROOT / "tasks.py"))
    for name in sorted(collection.task_names):
        yield from command(name, collection[name])


def command(name: str, task: Task[Callable[..., None]]) -> Iterator[str]:
    context = ParserContext(name, args=task.get_arguments())
    operands = [operand(argument) for argument in context.positional_args]
    yield from (f"## {name}", "", f"`{' '.join(['inv', name, *operands])}`", "")
    yield from ((task.__doc__ or "").partition("\n")[0], "")
    if context.flags:
        yield from ("| option | |", "|---|---|")
        for flag, argument in context.flags.items():
            yield f"| `{usage(context, flag, argument)}` | {cell(argument.help or '')} |"
        yield ""


def usage(context: ParserContext, flag: str, argument: Argument) -> str:
    """How an argument is written: by its long name, short ones change as options are added."""
    if argument.positional:
        return operand(argument)
    if argument.kind is list:
        return f"{flag}=STRING"
    return context.help_for(flag)[0].split(", ")[-1]


def operand(argument: Argument) -> str:
    return argument.name.upper()


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    for page in PAGES:
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
