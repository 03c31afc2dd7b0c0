"""How the backend reads bodies and reports their faults.

Unknown members are ignored, as Cronofy does; null is the same as absent, because pycronofy sends it so.
A validator that takes more, or less, than the type it returns says so beside itself in JSON Schema: the
OpenAPI document is made of these models.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    RootModel,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError
from werkzeug.datastructures import MultiDict

from widgetsvc.calendars import times
from widgetsvc.calendars.errors import FieldError, InvalidParameters

_MOST_FAULTS = 1_000
"""How many faults are listed: a megabyte of them would be twenty to write down."""

Location = tuple[int | str, ...]
"""Where in a body a fault is: names of members and places in lists."""


def fault(key: str, description: str, path: str = "") -> PydanticCustomError:
    """A validation error with Cronofy's `key`, words for people and a path below the model that raises it."""
    return PydanticCustomError(
        "cronofy", "{description}", {"key": key, "description": description, "path": path}
    )


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Annotates a type with more for its JSON schema to say; further constraints still add theirs."""

    more: Mapping[str, Any]

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Let the type describe itself, then add to it."""
        return handler(core) | dict(self.more)


def beside(
    found: ValidationError | None, more: Iterable[tuple[Location, PydanticCustomError]]
) -> ValidationError:
    """The error that lists further faults, each at its place, next to those that were found already.

    A validator of a whole model is not asked where a field has a fault: one that wraps the model's own
    validation can list both.
    """
    if found and found.error_count() > _MOST_FAULTS:
        return found
    lines = [InitErrorDetails(type=kind, loc=location, input=None) for location, kind in more]
    for error in found.errors(include_url=False) if found else []:
        context = error.get("ctx", {})
        kind = (
            PydanticCustomError("cronofy", "{description}", context)
            if error["type"] == "cronofy"
            else error["type"]
        )
        lines.append(InitErrorDetails(type=kind, loc=error["loc"], input=error["input"], ctx=context))
    return ValidationError.from_exception_data("request", lines)


class Request(BaseModel):
    """Base of all bodies: strict types, unknown members ignored, null members dropped.

    A number without a fraction is an integer however it is written (JSON Schema, section 6.1.1).
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    nullable: ClassVar[frozenset[str]] = frozenset()
    """Members for which null says something else than absence."""

    @model_validator(mode="before")
    @classmethod
    def _as_sent(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {
                name: int(value) if isinstance(value, float) and value.is_integer() else value
                for name, value in data.items()
                if value is not None or name in cls.nullable
            }
        return data


def either_is_required(*names: str) -> Callable[[dict[str, Any]], None]:
    """For `json_schema_extra`: any one of these members will do, and none of them can be null then."""

    def describe(schema: dict[str, Any]) -> None:
        schema["required"] = [name for name in schema.get("required", []) if name not in names]
        schema["anyOf"] = [
            {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names
        ]

    return describe


class Query(Request):
    """Base of all query strings; list parameters are declared in `several` and sent as `name[]`."""

    several: ClassVar[frozenset[str]] = frozenset()


Model = TypeVar("Model", bound=BaseModel)
QueryModel = TypeVar("QueryModel", bound=Query)


def parse_query(model: type[QueryModel], values: MultiDict[str, str]) -> QueryModel:
    """Read a query string, in which an empty value is an absent one. Raises InvalidParameters."""
    fields: dict[str, Any] = {name: text for name, text in values.items() if text}
    for name in model.several:
        texts = values.getlist(f"{name}[]") or values.getlist(name)
        fields[name] = texts or None
    return parse_fields(model, fields)


def parse_json(model: type[Model], body: bytes) -> Model:
    """Read a JSON body. Raises InvalidParameters with every fault at its path."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise _refusal(error) from None


def parse_fields(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """Read form fields or a query. Raises InvalidParameters with every fault at its path."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> InvalidParameters:
    count = error.error_count()
    if count > _MOST_FAULTS:
        return InvalidParameters.single("base", "errors.too_many", f"has {count} faults, too many to list")
    return InvalidParameters(map(_field_error, error.errors(include_url=False)))


_WORDS = {
    "dict_type": ("errors.invalid", "must be an object"),
    "json_invalid": ("errors.invalid", "the body is not valid JSON"),
    "missing": ("errors.required", "required"),
    "model_type": ("errors.invalid", "must be an object"),
    "string_too_long": ("errors.too_long", "must have at most {max_length} characters"),
    "string_unicode": ("errors.invalid", "must be text in valid Unicode"),
    "too_long": ("errors.too_many", "must have at most {max_length} entries"),
    "too_short": ("errors.required", "must have at least {min_length} entry"),
}


def _field_error(error: ErrorDetails) -> FieldError:
    context = error.get("ctx", {})
    if error["type"] == "cronofy":
        location = (*error["loc"], context["path"]) if context["path"] else error["loc"]
        return FieldError(_path(location), context["key"], context["description"])
    kind = error["type"]
    if kind == "too_long" and isinstance(error["input"], str):
        kind = "string_too_long"  # how pydantic words a length that is checked after another validator
    key, words = _WORDS.get(kind, ("errors.invalid", ""))
    description = words.format_map(context) or error["msg"].replace("Input should be", "must be")
    return FieldError(_path(error["loc"]), key, description)


def _path(location: Location) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".") or "base"


_DAY = r"(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
"""Days between the bounds of what is stored; the calendar leaves some out."""


def read_instant(text: object) -> int:
    """Read a Time into Unix seconds. Raises the fault that it has."""
    if not isinstance(text, str):
        raise fault("errors.invalid", "must be a time such as 2024-06-25T17:00:00Z")
    try:
        return times.parse_time(text)
    except ValueError as error:
        raise fault("errors.invalid", str(error)) from None


_TRUE, _FALSE = {"true", "1"}, {"false", "0"}


def _flag(text: object) -> bool:
    word = text.lower() if isinstance(text, str) else text
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise fault("errors.invalid", "must be true or false")


def _zone_name(text: str) -> str:
    try:
        times.zone(text)
    except ValueError as error:
        raise fault("errors.tzid_unrecognized", str(error)) from None
    return text


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise fault("errors.invalid", "must not contain NUL")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise fault("errors.required", "must not be blank")
    return text


Text = Annotated[str, AfterValidator(_without_nul), Described({"pattern": r"^[^\x00]*$"})]
"""Any text that every database can hold."""

Name = Annotated[Text, AfterValidator(_not_blank), Described({"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"})]
"""Text that is more than white space."""


class Time(RootModel[str]):
    """An instant, by preference in UTC; without fractions of a second."""

    root: str = Field(
        pattern=rf"^{_DAY}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?(\.0{{1,9}})?"
        r"(Z| ?UTC|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])$",
        examples=["2024-06-25T17:00:00Z", "2024-06-25T18:00:00+01:00", "2024-06-25 17:00:00Z"],
    )


class Date(RootModel[str]):
    """A day of the calendar."""

    root: str = Field(pattern=f"^{_DAY}$", examples=["2024-06-25"], json_schema_extra={"format": "date"})


Instant = Annotated[
    int,
    BeforeValidator(read_instant, json_schema_input_type=Time),
    PlainSerializer(times.format_time, str, when_used="json"),
]
"""A Time, read as Unix seconds; in JSON it is a Time again."""

Flag = Annotated[bool, BeforeValidator(_flag)]
"""A boolean of a query string; pycronofy writes `True`."""

TzId = Annotated[
    str,
    AfterValidator(_zone_name),
    Described({"format": "tzid", "examples": ["Europe/London", "America/New_York", "Etc/UTC"]}),
]
"""The name of an IANA zone."""

NOTHING = WithJsonSchema({"enum": [None, False, [], {}]})
"""What says that a feature is not asked for."""


def refused(feature: str) -> BeforeValidator:
    """Refuses a member that asks for what cannot be honoured; one that asks for nothing is let through."""

    def refuse(value: object) -> object:
        if value is False or value in ([], {}):
            return None
        raise fault("errors.not_supported", f"{feature} cannot be honoured by this server")

    return BeforeValidator(refuse)
