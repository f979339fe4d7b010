"""The file of checkpoints: it only grows, what a crash tore is cut off, and nothing else is ever written over."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.domain.checkpoint import Checkpoint, Refused
from audit.infrastructure.checkpoint_file import CheckpointFile
from audit.infrastructure.notary import Notary

NOTARY = Notary(Ed25519PrivateKey.generate())
NOTES = [NOTARY.sign(Checkpoint(size=size, root=bytes([size]) * 32)) for size in range(1, 61)]


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "checkpoints")


def test_notes_follow_each_other(file: CheckpointFile, tmp_path: Path) -> None:
    assert file.newest() is None
    for note in NOTES:
        file.append(note)
        assert file.newest() == note
    assert (tmp_path / "checkpoints").read_text() == "".join(f"{note}\n" for note in NOTES)


def test_what_a_crash_tore_is_cut_off(file: CheckpointFile, tmp_path: Path) -> None:
    path, whole = tmp_path / "checkpoints", "".join(f"{note}\n" for note in NOTES[:40])
    torn = f"{NOTES[40]}\n".encode()
    for length in range(len(torn)):
        path.write_bytes(whole.encode() + torn[:length])
        assert file.newest() == NOTES[40 if length == len(torn) - 1 else 39]
        file.append(NOTES[41])
        expected = [*NOTES[:41], NOTES[41]] if length == len(torn) - 1 else [*NOTES[:40], NOTES[41]]
        assert [note.strip() for note in path.read_text().split("\n\nwhatlead")][-1].endswith(NOTES[41][-20:].strip())
        assert path.read_text().replace("\n\n", "\n") == "".join(expected).replace("\n\n", "\n")
    path.write_bytes(torn[:20])
    assert file.newest() is None
    file.append(NOTES[0])
    assert path.read_text() == f"{NOTES[0]}\n"


@pytest.mark.parametrize("content", ["root:x:0:0\n", "x" * 9_000, "whatlead/audit\nx" * 900])
def test_another_file_is_left_alone(file: CheckpointFile, tmp_path: Path, content: str) -> None:
    (tmp_path / "checkpoints").write_text(content)
    with pytest.raises(Refused, match="is not a file of checkpoints"):
        file.append(NOTES[0])
    assert (tmp_path / "checkpoints").read_text() == content


def test_a_file_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written: No such file"):
        CheckpointFile(tmp_path / "gone" / "checkpoints").append(NOTES[0])
