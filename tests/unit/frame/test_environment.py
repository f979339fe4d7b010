"""The environment that the lock files make: packages that spoil each other are not in it together."""

from collections import Counter
from importlib import import_module, metadata
from pathlib import PurePosixPath


def test_both_otlp_exporters_import() -> None:
    for transport in ("grpc", "http"):
        assert import_module(f"opentelemetry.exporter.otlp.proto.{transport}.trace_exporter").OTLPSpanExporter


def test_protobuf_is_new_enough_for_the_generated_code() -> None:
    major, minor, *_ = metadata.version("protobuf").split(".")
    assert (int(major), int(minor)) >= (7, 36)


def test_no_module_is_owned_by_two_distributions() -> None:
    owners: Counter[PurePosixPath] = Counter()
    for distribution in metadata.distributions():
        files = {file for file in distribution.files or [] if file.suffix == ".py" and ".." not in file.parts}
        owners.update(PurePosixPath(*file.parts) for file in files if len(file.parts) > 1)
    assert [path for path, count in owners.items() if count > 1] == []
