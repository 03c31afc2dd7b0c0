"""The management API described, for programs (OpenAPI) and for people."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request

from widgetsvc import __version__
from widgetsvc.services import current_services
from widgetsvc.web.headers import new_nonce, page_policy
from widgetsvc.web.manage import openapi
from widgetsvc.web.manage.endpoint import PREFIX, Endpoint, Resource


def install(blueprint: Blueprint, resources: Sequence[Resource]) -> None:
    """Serve the documents of these resources."""
    published: dict[str, bytes] = {}

    @blueprint.get(f"{PREFIX}/openapi.json")
    def openapi_document() -> Response:
        """The OpenAPI document; no secret, so nobody has to show a key."""
        public_url = current_services().service.public_url
        if public_url not in published:
            described = openapi.document(resources, public_url)
            published[public_url] = json.dumps(described, ensure_ascii=False).encode()
        response = Response(published[public_url], mimetype="application/json")
        response.set_etag(hashlib.sha256(published[public_url]).hexdigest()[:32])
        response.headers["Cache-Control"] = "no-cache"
        response.make_conditional(request)
        return response

    @blueprint.get("/manage")
    @blueprint.get("/manage/")
    def documentation() -> Response:
        """The same for people, on one page."""
        nonce, public_url = new_nonce(), current_services().service.public_url
        described = openapi.document(resources, public_url)
        html = render_template(
            "manage/documentation.html",
            nonce=nonce,
            service_url=public_url,
            version=__version__,
            about=openapi.ABOUT.strip().split("\n\n"),
            sections=[
                (resource, [Description(endpoint, described) for endpoint in resource.endpoints])
                for resource in resources
            ],
        )
        response = make_response(html)
        response.headers["Content-Security-Policy"] = page_policy(nonce)
        response.headers["X-Frame-Options"] = "DENY"
        return response


@dataclass(frozen=True)
class Description:
    """An endpoint as the page shows it."""

    endpoint: Endpoint
    document: Mapping[str, Any]

    @property
    def anchor(self) -> str:
        """Where on the page it stands."""
        return self.endpoint.handler.__name__.replace("_", "-")

    @property
    def path(self) -> str:
        """The whole path, with placeholders."""
        return openapi.path_of(self.endpoint)

    @cached_property
    def operation(self) -> Mapping[str, Any]:
        """What the OpenAPI document says of it."""
        found: Mapping[str, Any] = self.document["paths"][self.path][self.endpoint.method.lower()]
        return found

    @property
    def paragraphs(self) -> list[str]:
        """What there is to say beside the summary."""
        more = self.operation.get("description", "")
        return [paragraph.replace("\n", " ") for paragraph in more.split("\n\n") if paragraph]

    @property
    def members(self) -> list[tuple[str, bool, str, str]]:
        """The body's members: name, whether it is required, type, words."""
        if self.endpoint.body is None:
            return []
        schema = self._schema(self.operation["requestBody"]["content"]["application/json"]["schema"])
        required = schema.get("required", [])
        return [
            (name, name in required, self._type(member), self._words(member))
            for name, member in schema["properties"].items()
        ]

    @property
    def parameters(self) -> list[tuple[str, str, bool, str, str]]:
        """Name, place, whether it is required, type and words of each parameter."""
        return [
            (
                each["name"],
                each["in"],
                each["required"],
                self._type(each["schema"]),
                each.get("description", ""),
            )
            for each in self.operation.get("parameters", [])
        ]

    @property
    def answers(self) -> list[tuple[int, str, str]]:
        """Status, meaning and an example of each success."""
        return [
            (status, answer.means, _pretty(_example(answer.content)) if answer.content else "")
            for status, answer in self.endpoint.answers.items()
        ]

    @property
    def refusals(self) -> list[tuple[int, str, str]]:
        """Status, code and meaning of each refusal."""
        return [
            (status, code, meaning)
            for status, codes in openapi.refusals_of(self.endpoint).items()
            for code, meaning in codes.items()
        ]

    @property
    def command(self) -> str:
        """How curl calls it."""
        url = self.document["servers"][0]["url"] + self.path
        query = [
            f"{each['name']}={each['schema']['examples'][0]}"
            for each in self.operation.get("parameters", [])
            if each["in"] == "query" and each["required"]
        ]
        address = f"{url}?{'&'.join(query)}" if query else url
        parts = [f"curl {shlex.quote(address)}", '-H "Authorization: Bearer $WIDGETSVC_SECRET_KEY"']
        if self.endpoint.method not in {"GET", "POST"}:
            parts[0] = f"curl -X {self.endpoint.method} {shlex.quote(address)}"
        if self.endpoint.method == "POST":
            parts.append('-H "Idempotency-Key: $(uuidgen)"')
        if self.endpoint.body is not None:
            parts.append(
                "--json " + shlex.quote(json.dumps(_example(self.endpoint.body), ensure_ascii=False))
            )
        return " \\\n  ".join(parts)

    def _schema(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in schema:
            return schema
        found: Mapping[str, Any] = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found

    def _words(self, member: Mapping[str, Any]) -> str:
        words = member.get("description", "")
        return f"{words} Default: {json.dumps(member['default'])}.".strip() if "default" in member else words

    def _type(self, member: Mapping[str, Any]) -> str:
        schema = self._schema(member)
        if "anyOf" in schema:
            return " or ".join(self._type(choice) for choice in schema["anyOf"])
        if "enum" in schema:
            return " | ".join(f'"{value}"' for value in schema["enum"])
        if schema.get("type") == "array":
            return f"list of {self._type(schema['items'])}"
        return str(schema.get("format") or schema.get("const") or schema.get("type", "any"))


def _example(model: Any) -> Any:
    return model.model_config["json_schema_extra"]["examples"][0]


def _pretty(example: object) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)
