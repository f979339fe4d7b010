"""The body of a send, checked as Meta checks it: which parameter is bad and why. Knows no fate."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_RECIPIENT = re.compile(r"\+?[0-9]{7,15}", re.ASCII)
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2,3})?", re.ASCII)
_MEDIA = frozenset({"image", "audio", "video", "document", "sticker"})
_COMPONENTS = frozenset({"header", "body", "button"})
_OTHER_TYPES = frozenset({"contacts", "interactive", "location", "reaction"})

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_DATA = 512


class BadRequest(Exception):
    """Refuse a request with an error code of the Graph API."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the simulator needs of a valid body. `callback_data` is the caller's own id of the attempt."""

    recipient: str
    type: str
    callback_data: str | None


def read_message(content: bytes) -> Message:
    """Read and check a body; raises BadRequest for the first thing wrong with it."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadRequest(100, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest(100, "The parameter messaging_product is required.")
    if _text(body, "messaging_product") != "whatsapp":
        raise BadRequest(100, "Param messaging_product must be one of {WHATSAPP}.")
    if body.get("recipient_type", "individual") != "individual":
        raise BadRequest(100, "Param recipient_type must be one of {INDIVIDUAL}.")
    recipient = _text(body, "to")
    if not _RECIPIENT.fullmatch(recipient):
        raise BadRequest(131009, "Param to is not a valid WhatsApp phone number.")
    kind = body.get("type", "text")
    match kind:
        case "text":
            _bounded(_object(body, "text"), "text", "body", MAX_TEXT)
        case "template":
            _check_template(_object(body, "template"))
        case str() if kind in _MEDIA:
            _check_media(_object(body, kind), kind)
        case str() if kind in _OTHER_TYPES:
            raise BadRequest(131051, f"Message type {kind} is not supported here.")
        case _:
            raise BadRequest(100, "Param type must be one of {AUDIO, DOCUMENT, IMAGE, STICKER, TEMPLATE, TEXT, VIDEO}.")
    callback_data = body.get("biz_opaque_callback_data")
    if callback_data is not None and not (isinstance(callback_data, str) and len(callback_data) <= MAX_CALLBACK_DATA):
        raise BadRequest(100, f"Param biz_opaque_callback_data must be at most {MAX_CALLBACK_DATA} characters long.")
    return Message(recipient=recipient, type=kind, callback_data=callback_data)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        raise BadRequest(100, f"The parameter {name} is required.")
    if not isinstance(value, str):
        raise BadRequest(100, f"Param {name} must be a string.")
    return value


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        raise BadRequest(100, f"The parameter {name} is required.")
    if not isinstance(value, dict):
        raise BadRequest(100, f"Param {name} must be a JSON object.")
    return value


def _bounded(value: Mapping[str, Any], parent: str, name: str, most: int) -> None:
    content = value.get(name)
    if not isinstance(content, str) or not content:
        raise BadRequest(100, f"The parameter {parent}['{name}'] is required.")
    if len(content) > most:
        raise BadRequest(100, f"Param {parent}['{name}'] must be at most {most} characters long.")


def _check_media(media: Mapping[str, Any], kind: str) -> None:
    link, identifier = media.get("link"), media.get("id")
    if (link is None) == (identifier is None):
        raise BadRequest(100, f"Exactly one of {kind}['id'] and {kind}['link'] is required.")
    if link is not None and not (isinstance(link, str) and link.startswith(("https://", "http://"))):
        raise BadRequest(100, f"Param {kind}['link'] is not a valid URI.")
    if identifier is not None and not (isinstance(identifier, str) and identifier):
        raise BadRequest(100, f"Param {kind}['id'] must be a string.")
    if media.get("caption") is not None:
        if kind in ("audio", "sticker"):
            raise BadRequest(100, f"Unexpected key caption on param {kind}.")
        _bounded(media, kind, "caption", MAX_CAPTION)


def _check_template(template: Mapping[str, Any]) -> None:
    name = template.get("name")
    if not isinstance(name, str) or not _TEMPLATE_NAME.fullmatch(name):
        raise BadRequest(100, "The parameter template['name'] is required: lower case letters, digits and underscores.")
    language = template.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    if not isinstance(code, str) or not _LANGUAGE.fullmatch(code):
        raise BadRequest(100, "The parameter template['language']['code'] is required, as in pt_BR.")
    components = template.get("components", [])
    if not isinstance(components, list):
        raise BadRequest(100, "Param template['components'] must be an array.")
    for component in components:
        if not isinstance(component, dict) or str(component.get("type")).lower() not in _COMPONENTS:
            raise BadRequest(100, "Param template['components'] needs a type of {HEADER, BODY, BUTTON} each.")
        parameters = component.get("parameters", [])
        if not isinstance(parameters, list):
            raise BadRequest(100, "Param template['components']['parameters'] must be an array.")
        for parameter in parameters:
            _check_parameter(parameter)


def _check_parameter(parameter: object) -> None:
    if not isinstance(parameter, dict) or not isinstance(parameter.get("type"), str):
        raise BadRequest(131008, "Parameter of type text is missing type value.")
    kind = parameter["type"].lower()
    if kind == "text" and not (isinstance(parameter.get("text"), str) and parameter["text"]):
        raise BadRequest(131008, "Parameter of type text is missing text value.")
    if kind in _MEDIA:
        _check_media(_object(parameter, kind), kind)
