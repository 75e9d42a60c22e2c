"""What the models of the settings share: strict tables of TOML, paths beside the file, names of secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationInfo


class Model(BaseModel):
    """A table of the settings: a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _beside(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("beside", Path())
    return Path(base) / path.expanduser()


#: a path; where it is relative, beside the settings' file
Beside = Annotated[Path, AfterValidator(_beside)]
#: the name of a secret, never the secret: LETTRAGE_SECRET_<NAME> in the environment, or a line of the secrets file
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
#: what people give their destinations, schedules and sources for a name
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _port(port: int) -> int:
    if not 0 < port < 1 << 16:
        raise ValueError("a port is a number from 1 to 65535")
    return port


Port = Annotated[int, AfterValidator(_port)]
