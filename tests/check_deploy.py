"""Check the deployment files offline: the Dockerfile by hadolint, compose by its schema, and that both fit the code.

Knows nothing of a running container.
"""

import subprocess
import sys
from pathlib import Path

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


def main() -> None:
    """Check everything."""
    run(BIN / "hadolint", DEPLOY / "Dockerfile")
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")
    parsed = {path.name: YAML(typ="safe").load(path) for path in DEPLOY.glob("*.yaml")}
    problems = settings_problems(parsed["compose.yaml"])
    targets = parsed["prometheus.yaml"]["scrape_configs"][0]["static_configs"][0]["targets"]
    problems += [f"prometheus.yaml does not scrape {name}" for name in SERVICES if f"{name}:7201" not in targets]
    if problems:
        sys.exit("deploy/ does not fit the code:\n  " + "\n  ".join(problems))


if __name__ == "__main__":
    main()
