"""Check the contracts: buf lint, buf breaking against the last commit, and generated code that matches the protos.

`--write` generates libs/whatlead and libs/buf instead. Knows nothing of what the contracts mean.
"""

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
LIBS = ROOT / "libs"
BIN = Path(sys.executable).parent


def run(*command: str | Path) -> None:
    """Run a tool of this environment and stop with its exit status if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def generate(target: Path) -> list[Path]:
    """Generate Python code and stubs for every proto below `target`; return the files, relative to it."""
    own = sorted(PROTOS.glob("whatlead/**/*.proto"))
    vendored = sorted(PROTOS.glob("buf/**/*.proto"))
    plugins = [f"--plugin={name}={BIN / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"--python_out={target}"]
    run(*protoc, *plugins, f"--mypy_out={target}", f"--grpc_python_out={target}", f"--mypy_grpc_out={target}", *own)
    run(*protoc, *plugins, f"--mypy_out={target}", *vendored)
    for stub in target.glob("**/*_pb2_grpc.py*"):
        if not any(line.startswith("class ") for line in stub.read_text().splitlines()):
            stub.unlink()
    return sorted(path.relative_to(target) for path in target.glob("**/*.py*"))


def drift(fresh: Path, files: list[Path]) -> list[Path]:
    """Return the files below libs/ that differ from a fresh generation, are missing there, or are left over."""
    present = [path for package in ("whatlead", "buf") for path in (LIBS / package).glob("**/*_pb2*.py*")]
    left_over = {path.relative_to(LIBS) for path in present if path.suffix in {".py", ".pyi"}} - set(files)
    changed = {
        name for name in files if not (LIBS / name).exists() or not filecmp.cmp(LIBS / name, fresh / name, False)
    }
    return sorted(left_over | changed)


def main() -> None:
    """Check, or write with `--write`."""
    if "--write" in sys.argv:
        for package in ("whatlead", "buf"):
            for old in (LIBS / package).glob("**/*_pb2*.py*"):
                old.unlink()
        generate(LIBS)
        return
    run(BIN / "buf", "lint")
    run(BIN / "buf", "format", "--diff", "--exit-code", "--path", "protos/whatlead")
    if subprocess.run(["git", "rev-parse", "-q", "--verify", "HEAD~1"], cwd=ROOT, capture_output=True).returncode == 0:
        run(BIN / "buf", "breaking", "--against", ".git#ref=HEAD~1")
    with tempfile.TemporaryDirectory() as folder:
        different = drift(Path(folder), generate(Path(folder)))
    if different:
        sys.exit(f"generated code differs from protos/, run `make protos`: {', '.join(map(str, different))}")


if __name__ == "__main__":
    main()
