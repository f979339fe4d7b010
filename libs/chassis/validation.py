"""The rules that the contracts state on their fields, compiled at start and checked at the edge. Knows no call."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from buf.validate import validate_pb2
from kernel.errors import Violation, invalid

# protovalidate's own words for these speak of numbers, which no caller wrote.
_WORDS = {"enum.not_in": "must be given", "enum.defined_only": "must be one of the defined values"}
# The whole range of each type; beyond it no language can hold the value, so no handler may see one.
_RANGES = {
    "google.protobuf.Timestamp": (-62_135_596_800, 253_402_300_799),
    "google.protobuf.Duration": (-315_576_000_000, 315_576_000_000),
}


class Rules:
    """Checks messages against the rules of their contract."""

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()
        self._times: dict[str, Sequence[FieldDescriptor]] = {}

    def compile(self, descriptors: Iterable[ServiceDescriptor]) -> None:
        """Compile the rules of every request, so that a bad rule fails the start and no first call is slow."""
        for descriptor in descriptors:
            for method in descriptor.methods:
                self.violations(GetMessageClass(method.input_type)())

    def violations(self, message: Message, *, prefix: str = "") -> tuple[Violation, ...]:
        """Return every broken rule; `prefix` (as `intents[3]`) leads to `message` in what the caller sent."""
        found = [
            Violation(field=_join(prefix, _path(broken)), description=_words(broken))
            for broken in self._validator.collect_violations(message)
        ]
        late = [*self._impossible_times(message, prefix)]
        if b"\0" in message.SerializeToString():
            late.extend(_texts_with_nul(message, prefix))
        named = {violation.field for violation in found}
        return (*found, *(violation for violation in late if violation.field not in named))

    def check(self, message: Message) -> None:
        """Raise Failure INVALID_ARGUMENT, naming every bad field."""
        if violations := self.violations(message):
            raise invalid(*violations)

    def _impossible_times(self, message: Message, prefix: str) -> Iterator[Violation]:
        for field in self._fields_with_times(cast(Descriptor, message.DESCRIPTOR)):
            for path, value in _values(message, field, prefix):
                limits = _RANGES.get(value.DESCRIPTOR.full_name)
                if limits is None:
                    yield from self._impossible_times(value, path)
                elif not limits[0] <= value.seconds <= limits[1] or not -999_999_999 <= value.nanos <= 999_999_999:
                    yield Violation(field=path, description="must be within the range of its type")
                elif value.nanos < 0 and (limits[0] != -limits[1] or value.seconds > 0):
                    yield Violation(field=path, description="must have nanos that agree with its seconds")

    def _fields_with_times(self, descriptor: Descriptor) -> Sequence[FieldDescriptor]:
        """Return the fields of a message that hold a time, or a message that holds one."""
        known = self._times.get(descriptor.full_name)
        if known is None:
            self._times[descriptor.full_name] = ()  # ends the recursion of a type that holds itself
            known = [field for field in descriptor.fields if self._may_hold_time(field)]
            self._times[descriptor.full_name] = known
        return known

    def _may_hold_time(self, field: FieldDescriptor) -> bool:
        if field.message_type is None or field.message_type.GetOptions().map_entry or _ignored(field):
            return False
        return field.message_type.full_name in _RANGES or bool(self._fields_with_times(field.message_type))


def _texts_with_nul(message: Message, prefix: str) -> Iterator[Violation]:
    """Find texts that hold NUL, which no database column takes."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            path = _join(prefix, field.name)
            texts = enumerate(value) if field.is_repeated else ((None, value),)
            for index, text in texts:
                if "\0" in text:
                    yield Violation(field=path if index is None else f"{path}[{index}]", description="must hold no NUL")
        elif field.message_type is not None and not _is_map(field) and not _ignored(field):
            for path, part in _values(message, field, prefix):
                yield from _texts_with_nul(part, path)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _ignored(field: FieldDescriptor) -> bool:
    """Say whether the contract leaves a list's items to the handler, which answers for each of them."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return bool(rules.repeated.items.ignore == validate_pb2.IGNORE_ALWAYS)


def _values(message: Message, field: FieldDescriptor, prefix: str) -> Iterator[tuple[str, Any]]:
    path = _join(prefix, field.name)
    if field.is_repeated:
        for index, value in enumerate(getattr(message, field.name)):
            yield f"{path}[{index}]", value
    elif message.HasField(field.name):
        yield path, getattr(message, field.name)


def _join(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix and path else prefix or path


def _words(broken: protovalidate.Violation) -> str:
    return _WORDS.get(broken.proto.rule_id, broken.proto.message) or "is not valid"


def _path(broken: protovalidate.Violation) -> str:
    """Return the field's path as the caller wrote it; empty for a rule on the whole message."""
    if broken.proto.field is None:
        return ""
    parts = []
    for element in broken.proto.field.elements:
        subscript = "" if element.subscript is None else f"[{element.subscript.value}]"
        parts.append(f"{element.field_name}{subscript}")
    return ".".join(parts)
