"""Check the deployment files offline: by hadolint, by the schema of compose, and that what they name is there.

Knows nothing of a running container.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
SERVICES = ("gate", "executor", "control", "audit")


def run(*command: str | Path) -> None:
    """Run a tool of this environment and stop with its exit status if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")


def settings_problems(compose: dict[str, dict[str, dict[str, dict[str, str]]]]) -> list[str]:
    """Return variables that compose sets and no setting reads, and required settings that compose leaves out."""
    from audit.settings import AuditSettings
    from control.settings import ControlSettings
    from executor.settings import ExecutorSettings
    from gate.settings import GateSettings

    problems = []
    own = {"gate": GateSettings, "executor": ExecutorSettings, "control": ControlSettings, "audit": AuditSettings}
    for service, settings in own.items():
        given = set(compose["services"][service]["environment"])
        known = {f"WHATLEAD_{name.upper()}": field for name, field in settings.model_fields.items()}
        problems += [f"{service}: nothing reads {name}" for name in sorted(given - known.keys())]
        required = {name for name, field in known.items() if field.is_required()}
        problems += [f"{service}: {name} is required" for name in sorted(required - given)]
    return problems


_INSTRUMENT = re.compile(r'\.create_(\w+)\(\s*"(whatlead\.[\w.]+)"(?:[^()]*?\bunit="([^"]*)")?')
_SERIES = re.compile(r"\bwhatlead_\w+")


def exported_series() -> set[str]:
    """Return the names under which Prometheus knows the instruments that the code makes."""
    found = set()
    for path in (*ROOT.glob("libs/**/*.py"), *ROOT.glob("services/**/*.py")):
        for kind, name, unit in _INSTRUMENT.findall(path.read_text()):
            series = name.replace(".", "_")
            if unit == "s" and not series.endswith("_seconds"):
                series += "_seconds"
            if kind == "histogram":
                found |= {f"{series}_{part}" for part in ("bucket", "sum", "count")}
            else:
                found.add(f"{series}_total" if "counter" in kind else series)
    return found


def alert_problems(rules: list[dict[str, Any]]) -> list[str]:
    """Return series that no service has and sections that the runbook does not have."""
    known = exported_series()
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)
    sections = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    problems = []
    for rule in rules:
        unknown = set(_SERIES.findall(rule["expr"])) - known
        problems += [f"{rule['alert']}: no service exports {series}" for series in sorted(unknown)]
        if rule["annotations"]["runbook"] not in sections:
            problems.append(f"{rule['alert']}: the runbook has no section {rule['annotations']['runbook']}")
    return problems


def main() -> None:
    """Check everything."""
    run(BIN / "hadolint", DEPLOY / "Dockerfile")
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")
    parsed = {path.name: YAML(typ="safe").load(path) for path in DEPLOY.glob("*.yaml")}
    problems = settings_problems(parsed["compose.yaml"])
    targets = parsed["prometheus.yaml"]["scrape_configs"][0]["static_configs"][0]["targets"]
    problems += [f"prometheus.yaml does not scrape {name}" for name in SERVICES if f"{name}:7201" not in targets]
    problems += alert_problems(parsed["alerts.yaml"]["groups"][0]["rules"])
    if problems:
        sys.exit("deploy/ does not fit the code:\n  " + "\n  ".join(problems))


if __name__ == "__main__":
    main()
