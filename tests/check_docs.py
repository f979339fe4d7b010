"""Check the documents: docs/settings.md equals what the code says, and every file that a document names exists.

`--write` writes docs/settings.md instead. Knows nothing of what the documents claim.
"""

import re
import subprocess
import sys
from pathlib import Path

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "docs" / "settings.md"
INTRODUCTION = """\
# Settings

Every process reads its settings once, from environment variables, and lists every bad one at start (exit status 2). A
secret may stand in a file instead: `<NAME>_FILE` names it. This page is written from the code by `make fmt` and checked
by `make check`.
"""


def _rows(settings: type[BaseSettings], prefix: str, without: set[str]) -> list[str]:
    rows = []
    for name, field in settings.model_fields.items():
        if name in without:
            continue
        missing = field.default is PydanticUndefined and field.default_factory is None
        default = "required" if missing else "none" if field.default in (None, "") else f"`{field.default}`"
        rows.append(f"| `{prefix}{name.upper()}` | {default} | {field.description or ''} |")
    return rows


def settings_page() -> str:
    """Return docs/settings.md as the code has it."""
    from audit.settings import AuditSettings
    from chassis.settings import ServiceSettings
    from control.settings import ControlSettings
    from executor.settings import ExecutorSettings
    from gate.settings import GateSettings
    from simulator.settings import SimulatorSettings

    shared = set(ServiceSettings.model_fields)
    sections = [("Every service", _rows(ServiceSettings, "WHATLEAD_", set()))]
    own = {"gate": GateSettings, "executor": ExecutorSettings, "control": ControlSettings, "audit": AuditSettings}
    sections += [(service, _rows(settings, "WHATLEAD_", shared)) for service, settings in own.items()]
    sections.append(("simulator", _rows(SimulatorSettings, "WHATLEAD_SIMULATOR_", set())))
    tables = [
        "\n".join([f"## {title}", "", "| variable | default | meaning |", "| --- | --- | --- |", *rows])
        for title, rows in sections
        if rows
    ]
    return "\n".join([INTRODUCTION, "\n\n".join(tables), ""])


def documents() -> list[Path]:
    """Return every document in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    return [ROOT / name for name in listed if name]


def missing_files(document: Path) -> list[str]:
    """Return the links and paths in `document` that lead nowhere."""
    text = document.read_text(encoding="utf-8")
    links = [(document.parent / target) for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    paths = [
        ROOT / target
        for target in re.findall(r"`((?:tests|services|libs|deploy|docs|protos)/[\w./-]+)(?:::\w+)?`", text)
    ]
    return [f"{document.relative_to(ROOT)}: {path} does not exist" for path in (*links, *paths) if not path.exists()]


def missing_tests(document: Path) -> list[str]:
    """Return the tests that `document` names as `file::test` and no file has."""
    named = re.findall(r"`(tests/[\w./-]+)::(\w+)`", document.read_text(encoding="utf-8"))
    return [
        f"{document.relative_to(ROOT)}: {file} has no {test}"
        for file, test in named
        if not (ROOT / file).exists() or f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]


def main() -> None:
    """Check, or write with `--write`."""
    if "--write" in sys.argv:
        SETTINGS.write_text(settings_page(), encoding="utf-8")
        return
    problems = [problem for page in documents() for problem in (*missing_files(page), *missing_tests(page))]
    if SETTINGS.read_text(encoding="utf-8") != settings_page():
        problems.append("docs/settings.md is not what the code says: run `make fmt`")
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
