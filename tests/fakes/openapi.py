"""An API's own description as the judge of a fake: checks requests and answers, and completes answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from werkzeug import Request, Response

SAMPLES = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}
FORMATS = {"uri": "https://api.example/x", "date-time": "2026-01-01T00:00:00Z", "email": "a@example"}


class Contract:
    """One OpenAPI description."""

    def __init__(self, path: Path) -> None:
        self._whole = json.loads(path.read_text(encoding="utf-8"))
        self._api = OpenAPI.from_dict(self._whole, config=Config(spec_validator_cls=None))

    def request_problem(self, request: Request) -> str | None:
        """Return how a request breaks the description, or None."""
        try:
            self._api.validate_request(WerkzeugOpenAPIRequest(request))
        except OpenAPIError as error:
            return _say(error)
        return None

    def response_problem(self, request: Request, response: Response) -> str | None:
        """Return how an answer breaks the description, or None."""
        try:
            self._api.validate_response(WerkzeugOpenAPIRequest(request), WerkzeugOpenAPIResponse(response))
        except OpenAPIError as error:
            return _say(error)
        return None

    def complete(self, schema: str, values: dict[str, Any]) -> Any:
        """Return an object of a schema: the values given, and plain ones for all else it requires."""
        return self._fill(self._whole["components"]["schemas"][schema], values)

    def _follow(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            *_, kind, name = schema["$ref"].split("/")
            schema = self._whole["components"][kind][name]
        return schema

    def _fill(self, schema: dict[str, Any], value: Any) -> Any:
        schema = self._follow(schema)
        if "properties" in schema and (value is None or isinstance(value, dict)):
            filled = dict(value or {})
            for name in {*schema.get("required", ()), *filled} & schema["properties"].keys():
                part = self._follow(schema["properties"][name])
                present = filled.get(name)
                filled[name] = None if present is None and part.get("nullable") else self._fill(part, present)
            return filled
        if value is not None:
            return value
        for key in ("allOf", "anyOf", "oneOf"):
            if key in schema:
                return self._fill(schema[key][0], None)
        if "enum" in schema:
            return schema["enum"][0]
        return FORMATS.get(schema.get("format", ""), SAMPLES.get(schema.get("type", "object"), {}))


def _say(error: Exception) -> str:
    parts, cause = [str(error)], error.__cause__
    while cause is not None:
        parts.append(str(cause))
        cause = cause.__cause__
    return ": ".join(parts)[:2000]
