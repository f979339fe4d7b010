"""What is sent, as bytes in the job's row. Knows no provider and no wire."""

from typing import assert_never

import orjson

from executor.domain.job import Content, Media, Template, Text


def encode(content: Content) -> bytes:
    """Return the bytes kept with the job."""
    match content:
        case Template():
            return orjson.dumps(["template", content.name, content.language, *content.parameters])
        case Text():
            return orjson.dumps(["text", content.body])
        case Media():
            return orjson.dumps(["media", content.kind, content.link, content.caption, content.filename])
        case _:
            assert_never(content)


def decode(stored: bytes) -> Content:
    """Return what `encode` was given."""
    kind, *values = orjson.loads(stored)
    match kind:
        case "template":
            name, language, *parameters = values
            return Template(name=name, language=language, parameters=tuple(parameters))
        case "text":
            return Text(body=values[0])
        case "media":
            kind, link, caption, filename = values
            return Media(kind=kind, link=link, caption=caption, filename=filename)
        case _:
            raise ValueError("no content of a known kind")
