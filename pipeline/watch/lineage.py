"""OpenLineage: what a run, an export or a dump read and wrote, told to a catalogue of data (docs/orchestration.md).

Off by default. Where the settings have [lineage] events are appended to its file; where none are given and the
environment variables that OpenLineage defines say where events go, they go there. What goes wrong with it is told
once, and the command goes on: lineage is about the books, and no part of them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.watch.redact import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: variables by one of which OpenLineage's own client knows where events go
_CLIENT_VARIABLES = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT")
_NAMESPACE = "lettrage"


@dataclass(frozen=True)
class Dataset:
    """A table or file that was read or written. place: a path or s3://bucket/prefix/name.

    columns: name, type and meaning of each. size in bytes; digest: SHA-256 of the content.
    """

    place: str
    rows: int | None = None
    size: int | None = None
    digest: str | None = None
    columns: Sequence[tuple[str, str, str]] = ()

    @property
    def address(self) -> tuple[str, str]:
        """Namespace and name as OpenLineage spells them for files and buckets."""
        if self.place.startswith("s3://"):
            bucket, _, key = self.place.removeprefix("s3://").partition("/")
            return f"s3://{bucket}", key
        return "file", str(Path(self.place).absolute())


@dataclass(frozen=True)
class Facts:
    """What a job did. tags: what tells it from others, as run and batch_digest."""

    inputs: Sequence[Dataset] = ()
    outputs: Sequence[Dataset] = ()
    tags: Mapping[str, Any] = field(default_factory=dict)


class Told:
    """What a command fills in while it works. facts are only made up where somebody wants them."""

    facts: Callable[[], Facts] = Facts

    def is_made(self, facts: Callable[[], Facts]) -> None:
        """Says how to find out what was read and written."""
        self.facts = facts


def is_wanted_by_environment() -> bool:
    """Whether the variables that OpenLineage defines say where events go."""
    is_off = os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true"
    return not is_off and any(name.startswith(_CLIENT_VARIABLES) for name in os.environ)


@contextmanager
def told_of(
    name: str, *, warn: Callable[[str], None], file: Path | None = None, namespace: str | None = None
) -> Iterator[Told]:
    """Tells a job where somebody wants that: a file is named, or the environment says where events go."""
    if file is None and not is_wanted_by_environment():
        yield Told()
        return
    with job(name, warn=warn, file=file, namespace=namespace) as told:
        yield told


@contextmanager
def job(
    name: str,
    *,
    warn: Callable[[str], None],
    file: Path | None = None,
    namespace: str | None = None,
) -> Iterator[Told]:
    """Tells START, then COMPLETE with the facts, or FAIL with the error, which goes on as it is.

    file: where events are appended. warn: is told, once, that something went wrong with them.
    """
    told = Told()
    senders: list[_Sender] = []
    with _harmless(warn):
        sender = _Sender(name, file, namespace)
        sender.send("START")
        senders.append(sender)
    try:
        yield told
    except BaseException as error:
        with _harmless(warn):
            for sender in senders:
                sender.send("FAIL", error=error)
                sender.close()
        raise
    with _harmless(warn):
        for sender in senders:
            sender.send("COMPLETE", facts=told.facts())
            sender.close()


@contextmanager
def _harmless(warn: Callable[[str], None]) -> Iterator[list[str]]:
    """Turns what goes wrong inside into a warning; gives the list that then holds it."""
    said: list[str] = []
    try:
        yield said
    except ImportError:
        said.append("lineage needs an extra: pip install 'lettrage[lineage]'")
    except Exception as error:  # noqa: BLE001 - a client of many transports raises what it likes
        first = (str(error).splitlines() or [""])[0]
        said.append(
            f"lineage could not be told ({type(error).__name__}: {without_secrets(first)}); the command went on"
        )
    for sentence in said:
        warn(sentence)


class _Sender:
    """The events of one run of a job. Raises whatever the client does."""

    def __init__(self, name: str, file: Path | None, namespace: str | None) -> None:
        # Half a second, for those who want events alone.
        from openlineage.client import OpenLineageClient  # noqa: PLC0415
        from openlineage.client.generated.base import set_producer  # noqa: PLC0415
        from openlineage.client.transport.file import FileConfig, FileTransport  # noqa: PLC0415
        from openlineage.client.uuid import generate_new_uuid  # noqa: PLC0415

        set_producer(f"urn:lettrage:{version('lettrage')}")
        self._name, self._run = name, str(generate_new_uuid())
        self._namespace = namespace or os.environ.get("OPENLINEAGE_NAMESPACE") or _NAMESPACE
        if file is None:
            self._client = OpenLineageClient()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._client = OpenLineageClient(transport=FileTransport(FileConfig(str(file), append=True)))

    def send(self, kind: str, *, facts: Facts | None = None, error: BaseException | None = None) -> None:
        """Sends an event: START, COMPLETE or FAIL."""
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState  # noqa: PLC0415

        self._client.emit(
            RunEvent(
                eventType=RunState[kind],
                eventTime=datetime.now(UTC).isoformat(),
                run=Run(runId=self._run, facets=_run_facets(facts, error)),
                job=Job(namespace=self._namespace, name=self._name, facets=_job_facets()),
                inputs=[_input(one) for one in (facts.inputs if facts else ())],
                outputs=[_output(one) for one in (facts.outputs if facts else ())],
            )
        )

    def close(self) -> None:
        """Waits a moment for what is under way."""
        self._client.close(timeout=5.0)


def _job_facets() -> dict[str, Any]:
    from openlineage.client.facet_v2 import job_type_job  # noqa: PLC0415

    return {
        "jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="LETTRAGE", jobType="COMMAND"),
    }


def _run_facets(facts: Facts | None, error: BaseException | None) -> dict[str, Any]:
    from openlineage.client.facet_v2 import error_message_run, processing_engine_run, tags_run  # noqa: PLC0415

    facets: dict[str, Any] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            version=version("lettrage"), name="Lettrage", openlineageAdapterVersion=version("openlineage-python")
        )
    }
    tags = [] if facts is None else [(name, value) for name, value in facts.tags.items() if value is not None]
    if tags:
        facets["tags"] = tags_run.TagsRunFacet(
            tags=[tags_run.TagsRunFacetFields(key=name, value=str(value), source="LETTRAGE") for name, value in tags]
        )
    if error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=without_secrets(f"{type(error).__name__}: {error}"), programmingLanguage="PYTHON"
        )
    return facets


def _facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset, schema_dataset  # noqa: PLC0415

    facets: dict[str, Any] = {}
    if dataset.columns:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[
                schema_dataset.SchemaDatasetFacetFields(
                    name=name, type=kind, description=meaning or None, ordinal_position=position
                )
                for position, (name, kind, meaning) in enumerate(dataset.columns, start=1)
            ]
        )
    if dataset.digest is not None:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=dataset.digest)
    return facets


def _input(dataset: Dataset) -> Any:
    from openlineage.client.event_v2 import InputDataset  # noqa: PLC0415
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics  # noqa: PLC0415

    namespace, name = dataset.address
    counted = statistics.InputStatisticsInputDatasetFacet(rowCount=dataset.rows, size=dataset.size)
    is_counted = dataset.rows is not None or dataset.size is not None
    return InputDataset(
        namespace=namespace,
        name=name,
        facets=_facets(dataset),
        inputFacets={"inputStatistics": counted} if is_counted else {},
    )


def _output(dataset: Dataset) -> Any:
    from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics  # noqa: PLC0415

    namespace, name = dataset.address
    counted = statistics.OutputStatisticsOutputDatasetFacet(rowCount=dataset.rows, size=dataset.size)
    is_counted = dataset.rows is not None or dataset.size is not None
    return OutputDataset(
        namespace=namespace,
        name=name,
        facets=_facets(dataset),
        outputFacets={"outputStatistics": counted} if is_counted else {},
    )
