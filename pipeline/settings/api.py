"""How the API is served (docs/api.md)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.settings.base import Model, Port


class Api(Model):
    """Limits of the API.

    requests_per_minute: of one key. largest_body_mb: of one request. wait_seconds: how long a request waits for what
    it asked to be made before it is answered with a job.
    """

    host: str = "127.0.0.1"
    port: Port = 8180
    requests_per_minute: Annotated[int, Field(gt=0)] = 600
    largest_body_mb: Annotated[int, Field(gt=0)] = 200
    wait_seconds: Annotated[float, Field(ge=0)] = 10
