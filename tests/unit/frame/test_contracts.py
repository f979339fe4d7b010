"""The contracts' comments: each call has a grpcurl line with its own port and method and a request that parses.

So do the lines in the documents.
"""

import re
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from whatlead.error.v1 import error_pb2

ROOT = Path(__file__).resolve().parents[3]
PROTOS = sorted((ROOT / "protos" / "whatlead").glob("*/v1/*.proto"))
PORTS = {"gate": 7001, "executor": 7002, "control": 7003, "audit": 7004, "outbox": 7001}
_LINE = re.compile(
    r"grpcurl -cacert .*? -d '(?P<body>.*?)' localhost:(?P<port>\d+) (?P<service>[\w.]+)/(?P<method>\w+)"
)


def methods() -> list[MethodDescriptor]:
    modules = [
        import_module(".".join(path.relative_to(ROOT / "protos").with_suffix("").parts) + "_pb2") for path in PROTOS
    ]
    return [
        method
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]


def lines() -> dict[str, re.Match[str]]:
    found = {}
    for path in PROTOS:
        comments = re.sub(r"\n\s*//\s*", " ", path.read_text(encoding="utf-8"))
        for match in _LINE.finditer(re.sub(r"\s+", " ", comments)):
            found[f"{match['service']}.{match['method']}"] = match
    return found


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_call_has_a_grpcurl_line_that_parses(method: MethodDescriptor) -> None:
    line = lines()[method.full_name]
    context = method.full_name.split(".")[1]
    internal = "-cert" in line[0].replace("-cacert", "")
    assert int(line["port"]) == PORTS[context] + (100 if internal else 0)
    # grpcurl takes a field mask as a message, this parser as a text.
    body = re.sub(r'\{"paths": \["(\w+)"\]\}', r'"\1"', line["body"])
    json_format.Parse(body, GetMessageClass(method.input_type)())


def documented() -> list[re.Match[str]]:
    """Return the lines of the documents, with what a shell puts in as it would."""
    found = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = re.sub(r"\s*\\\n\s*", " ", path.read_text(encoding="utf-8"))
        text = re.sub(r"'\$\(date .*?%TZ\)'", "2026-03-02T12:00:00Z", text)
        text = text.replace("'$id'", "01890a5d-ac96-774b-bcce-b302099a8057")
        found += _LINE.finditer(text)
    return found


@pytest.mark.parametrize("line", documented(), ids=lambda line: line["method"])
def test_every_line_in_the_documents_parses(line: re.Match[str]) -> None:
    (method,) = [one for one in methods() if one.full_name == f"{line['service']}.{line['method']}"]
    assert int(line["port"]) == PORTS[line["service"].split(".")[1]]
    json_format.Parse(line["body"], GetMessageClass(method.input_type)())


def test_every_reason_used_in_the_code_is_in_the_contract() -> None:
    used = set()
    for folder in ("libs/kernel", "libs/chassis", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            used |= set(re.findall(r"Failure\(\s*Kind\.\w+,\s*\"([A-Z_]+)\"", path.read_text(encoding="utf-8")))
    known = {name.removeprefix("REASON_") for name in error_pb2.Reason.DESCRIPTOR.values_by_name}
    assert used
    assert used <= known
