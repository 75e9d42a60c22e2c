"""Where the company's things are, and what Dagster makes of an error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from dagster import ConfigurableResource, Failure, MetadataValue, RetryRequested

from pipeline.errors import LettrageError, ReplacedError, StoreBusyError
from pipeline.ledger.store import Store

#: another process writes the ledger: that takes seconds, a minute where a batch is large
_RETRIES, _SECONDS = 8, 15


class Lettrage(ConfigurableResource):  # type: ignore[type-arg]  # it gives itself
    """The company.

    store: a directory or s3://bucket/prefix. reference: the folder of the reference tables. batches: a folder with a
    folder a batch. out: where tables and files go. on: the day that runs and exports are said to be made on, ISO 8601;
    today where it is empty. memory_limit, threads: as `lettrage run` takes them; 0 threads: all cores.
    """

    store: str
    reference: str
    batches: str
    out: str
    on: str = ""
    memory_limit: str = ""
    threads: int = 0

    @property
    def today(self) -> date:
        """The day that runs and exports are said to be made on."""
        return date.fromisoformat(self.on) if self.on else date.today()  # noqa: DTZ011 - the day on the wall is meant

    def opened(self) -> Store:
        """The ledger as it is now."""
        return Store.open(self.store)

    def batch(self, name: str) -> Path:
        """The folder of a batch."""
        return Path(self.batches) / name

    def arrived(self) -> list[str]:
        """The batches that are whole, oldest first; what is still being written has a name that says so."""
        folder = Path(self.batches)
        if not folder.is_dir():
            return []
        names = [path.name for path in folder.iterdir() if path.is_dir()]
        return sorted(
            name for name in names if not name.startswith((".", "_")) and not name.endswith((".part", ".tmp"))
        )

    def folder(self, *parts: str) -> Path:
        """A folder below `out`."""
        return Path(self.out).joinpath(*parts)


def of_environment() -> Lettrage:
    """The company of the variables LETTRAGE_STORE, _REFERENCE, _BATCHES and _OUT; without them what `make run` uses."""
    return Lettrage(
        store=os.environ.get("LETTRAGE_STORE", "data/store"),
        reference=os.environ.get("LETTRAGE_REFERENCE", "data/sample/reference"),
        batches=os.environ.get("LETTRAGE_BATCHES", "data/sample"),
        out=os.environ.get("LETTRAGE_OUT", "data/out"),
        on=os.environ.get("LETTRAGE_ON", ""),
        memory_limit=os.environ.get("LETTRAGE_MEMORY_LIMIT", ""),
        threads=int(os.environ.get("LETTRAGE_THREADS", "0")),
    )


@contextmanager
def told() -> Iterator[None]:
    """Has Dagster try again what passes by itself, and say of everything else where, what and how to mend it."""
    try:
        yield
    except (StoreBusyError, ReplacedError) as error:
        raise RetryRequested(max_retries=_RETRIES, seconds_to_wait=_SECONDS) from error
    except LettrageError as error:
        about = {"where": error.where, "mend": error.mend, "error": type(error).__name__}
        raise Failure(
            description=str(error),
            metadata={name: MetadataValue.text(value) for name, value in about.items() if value},
            allow_retries=False,
        ) from error
