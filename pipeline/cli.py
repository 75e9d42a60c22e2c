"""The `lettrage` command: arguments in, exit code out, no accounting (spec §9).

Heavy modules are imported where a command needs them, so that `lettrage --help` answers at once.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pipeline.errors import LettrageError, ReplacedError, StoreBusyError, TryAgainError, first_line
from pipeline.watch import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.watch.lineage import Told

QUARANTINED = 3
#: where the format of logs is said once for all commands
_LOG_FORMAT = "LETTRAGE_LOG_FORMAT"
#: options that every event of a command repeats, and under what name
_TOLD = {"store": "store", "entity": "legal_entity", "legal_entity": "legal_entity"}
#: above nothing; up to six digits, which is more than there is
_MEMORY = re.compile(r"(?=.*[1-9])(\d{1,6}(\.\d{1,3})? ?[kmgt](i?b)?|\d{1,2}%)\Z", re.IGNORECASE)


class Day(click.ParamType[date]):
    """A day as ISO 8601 writes it."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Reads a day, or ends the command with what is wrong with it."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(str(value), "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
        except ValueError:
            self.fail(f"{value!r} is no day: write YYYY-MM-DD", param, ctx)


class Memory(click.ParamType[str]):
    """An amount of memory, as DuckDB takes it."""

    name = "memory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Reads an amount, or ends the command with how to write one."""
        if not _MEMORY.match(str(value)):
            self.fail(f"{value!r} is no amount of memory: write it as 2GB or 512MB", param, ctx)
        return str(value)


class Place(click.Path):
    """A directory, or `s3://bucket/prefix`, which stays as it is written."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Reads a place, or ends the command with what is wrong with it."""
        is_bucket = isinstance(value, str) and value.startswith("s3://")
        return value if is_bucket else super().convert(value, param, ctx)


class Command(click.Command):
    """A command whose events say what it is and what it is about."""

    def invoke(self, ctx: click.Context) -> Any:
        """Gives the command."""
        about = {told: str(ctx.params[name]) for name, told in _TOLD.items() if ctx.params.get(name) is not None}
        logs.bind(command=ctx.command_path.partition(" ")[2], **about)
        logs.log().info("started")
        try:
            return super().invoke(ctx)
        except RuntimeError as error:
            # DuckDB's word for a Ctrl-C that comes while it is at work.
            if str(error) == "Query interrupted":
                raise KeyboardInterrupt from None
            raise


class Group(click.Group):
    """Turns an error of ours into its sentence and exit code; nobody should ever read a traceback."""

    command_class = Command
    group_class = type

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Reads the options before the command; what is wrong with them is an event too, where events are wanted."""
        wants_events = os.environ.get(_LOG_FORMAT) == "json" or "--log-format json" in " ".join(args).replace("=", " ")
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            if parent is not None or not wants_events:
                raise
            with logs.as_json():
                sys.exit(_told_as_event(error))

    def invoke(self, ctx: click.Context) -> Any:
        """Gives the command."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        if ctx.params.get("log_format") == "json":
            return _with_events(ctx, super().invoke)
        try:
            return super().invoke(ctx)
        except LettrageError as error:
            click.echo(f"lettrage: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            raise  # click ends quietly where nobody reads on
        except Exception as error:
            if not _is_of_the_system(error):
                raise
            click.echo(f"lettrage: {first_line(error)}\n  {_MEND_SYSTEM}", err=True)
            ctx.exit(1)


_MEND_SYSTEM = "mend that, then see in `lettrage status` what the ledger holds"


def _is_of_the_system(error: Exception) -> bool:
    """Whether an error is of the disk, the memory, the network …, and no fault of the program."""
    # DuckDB is heavy: it is only loaded where a command has used it.
    duckdb = sys.modules.get("duckdb")
    return isinstance(error, OSError if duckdb is None else (OSError, duckdb.Error))


def _with_events(ctx: click.Context, invoke: Callable[[click.Context], Any]) -> None:
    """Gives a command, writes its events, and ends with its exit code; stderr holds nothing else."""
    from pipeline.settings.secrets import found

    began, code = time.perf_counter(), 1
    with logs.as_json(secrets=found):
        try:
            invoke(ctx)
            code = 0
        except BrokenPipeError:
            raise  # click ends quietly where nobody reads on
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - it is written, traceback and all
            code = _told_as_event(error)
        finally:
            level = {0: "info", QUARANTINED: "warning"}.get(code, "error")
            getattr(logs.log(), level)("finished", exit_code=code, seconds=round(time.perf_counter() - began, 3))
    ctx.exit(code)


def _told_as_event(error: BaseException) -> int:
    """Writes the event of what ended a command, where it is one; returns the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    failed = {"error": type(error).__name__}
    if isinstance(error, LettrageError):
        may_pass = isinstance(error, (StoreBusyError, ReplacedError, TryAgainError))
        said = {"where": error.where, "what": error.what, "mend": error.mend, "may_pass": may_pass}
        logs.log().error("failed", **failed, **said, exit_code=error.exit_code)
        return error.exit_code
    if isinstance(error, click.ClickException):
        is_help = isinstance(error, click.exceptions.NoArgsIsHelpError)
        what = "there is no command: see lettrage --help" if is_help else error.format_message()
        logs.log().error("failed", **failed, what=what, exit_code=error.exit_code)
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        logs.log().error("interrupted", exit_code=1)
    elif isinstance(error, Exception) and _is_of_the_system(error):
        logs.log().error("failed", **failed, what=first_line(error), mend=_MEND_SYSTEM, exit_code=1)
    else:
        logs.crashed(error, exit_code=1)
    return 1


_DIRECTORY = click.Path(path_type=Path, file_okay=False)
_EXISTING = click.Path(path_type=Path, file_okay=False, exists=True)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
#: a file that is written
_WRITTEN = click.Path(path_type=Path, dir_okay=False)
_DAY = Day()


#: where a store or a back-up is: a directory, or the address of a bucket
_PLACE = Place(path_type=Path, file_okay=False)


def _store(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store", type=_PLACE, required=True, help="The ledger store: a directory, or s3://bucket/prefix."
    )(function)


def _as_json(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print the result for machines.")(function)


def _config(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("lettrage.toml"),
        envvar="LETTRAGE_CONFIG",
        show_default=True,
        help="The settings of the installation (docs/settings.md).",
    )(function)


def _lineage_config(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--config",
        type=_WRITTEN,
        default=None,
        envvar="LETTRAGE_CONFIG",
        help="The settings: what [lineage] of them says.",
    )(function)


@contextmanager
def _lineage(ctx: click.Context, config: Path | None, name: str, *, is_wanted: bool = True) -> Iterator[Told]:
    """Tells OpenLineage of what is done within it, where the settings or OpenLineage's own variables ask for that.

    config: is read where it was named; a file that happens to lie here asks for nothing.
    """
    from pipeline.watch import lineage

    is_named = ctx.get_parameter_source("config") != ParameterSource.DEFAULT
    wanted = None
    if is_wanted and config is not None and is_named:
        from pipeline.settings.settings import load_settings

        wanted = load_settings(config).lineage
    if not is_wanted:
        yield lineage.Told()
        return
    file, namespace = (None, None) if wanted is None else (wanted.file, wanted.namespace)
    with lineage.told_of(name, warn=_warn, file=file, namespace=namespace) as told:
        yield told


def _warn(said: str) -> None:
    """Tells a person, or a machine, of something that went wrong beside the work."""
    if logs.is_json():
        logs.log().warning("lineage", text=said)
    else:
        click.echo(f"lettrage: {said}", err=True)


def _as_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The two options that ask for the ledger of then (docs/time-travel.md)."""
    run = click.option(
        "--as-of", "as_of_run", type=int, default=None, metavar="RUN", help="What was known after a run."
    )
    day = click.option(
        "--as-of-date", type=_DAY, default=None, help="The books at the end of this day, by posting dates."
    )
    return run(day(function))


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lettrage")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    envvar=_LOG_FORMAT,
    show_envvar=True,
    help="What goes to stderr: sentences, or events for machines, one JSON object a line.",
)
@click.pass_context
def main(ctx: click.Context, log_format: str) -> None:
    """Turns expense reports, advances and payment orders into accounting entries.

    Exit codes: 0 done; 1 failed, the ledger is as it was unless the message says otherwise; 2 wrong usage or
    configuration; 3 done, but something new went to quarantine.
    """
    del log_format  # Group.invoke has seen to it, for errors are events too
    logs.bind(command=ctx.invoked_subcommand)


@main.command()
@click.option("--reference", type=_EXISTING, required=True, help="Directory of the reference tables.")
@click.option("--batch", type=_EXISTING, required=True, help="Directory of the movement tables.")
@_store
@click.option("--on", type=_DAY, default=None, help="The day the run is made on.  [default: today]")
@click.option("--preview", is_flag=True, help="Tell what the run would post, and write nothing; taken whole.")
@click.option("--strict", is_flag=True, help="End with 3 also where something still waits from earlier runs.")
@click.option("--workers", type=click.IntRange(min=1), default=1, help="Processes that take parts of a large batch.")
@click.option("--cluster", metavar="ADDRESS", default=None, help="Dask scheduler whose workers do, as tcp://host:8786.")
@click.option("--parts", type=click.IntRange(min=1), default=None, help="Parts to cut it into.  [default: as needed]")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="Threads of a process.  [default: all cores; 1 of a worker]",
)
@click.option("--memory-limit", type=Memory(), default=None, help='For the tables of a process, as "2GB": cut to fit.')
@_lineage_config
@_as_json
@click.pass_context
def run(
    ctx: click.Context,
    reference: Path,
    batch: Path,
    store: Path | str,
    on: date | None,
    preview: bool,
    strict: bool,
    workers: int,
    cluster: str | None,
    parts: int | None,
    threads: int | None,
    memory_limit: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Post a batch: entries, imputations, letterings and payments."""
    if cluster is not None and workers > 1:
        raise click.UsageError("--cluster has workers of its own: leave out --workers")
    from pipeline import run as pipeline_run
    from pipeline.ledger.lineage import run_made
    from pipeline.screen import print_run, progress

    with (
        _lineage(ctx, config, "lettrage.run", is_wanted=not preview) as told,
        progress("run", quiet=as_json) as step,
    ):
        result = pipeline_run.run(
            reference,
            batch,
            store,
            on=on or date.today(),  # noqa: DTZ011 - the day on the wall is meant
            preview=preview,
            threads=threads,
            memory_limit=memory_limit,
            workers=workers,
            cluster=cluster,
            parts=parts,
            progress=step,
        )
        run_made(told, store, reference, batch, result)
    logs.bind(run=result.run, batch_digest=result.batch_digest)
    if as_json:
        click.echo(pipeline_run.as_json(result))
    else:
        print_run(result)
    if result.findings or (strict and result.waiting):
        ctx.exit(QUARANTINED)


@main.command()
@_store
@click.option("--out", type=_DIRECTORY, required=True, help="Directory to write the tables to.")
@_as_of
@_lineage_config
@_as_json
@click.pass_context
def dump(
    ctx: click.Context,
    store: Path | str,
    out: Path,
    as_of_run: int | None,
    as_of_date: date | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Write every table of the ledger as Parquet, as it is or as it was."""
    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.dump import dump as write_dump
    from pipeline.ledger.lineage import of_dump
    from pipeline.ledger.place import refuse_inside_store
    from pipeline.ledger.store import Store

    refuse_inside_store(out)
    ledger, as_of = Store.open(store), AsOf(as_of_run, as_of_date)
    with _lineage(ctx, config, "lettrage.dump") as told:
        tables = write_dump(ledger, out, as_of=as_of)
        told.is_made(lambda: of_dump(ledger, out, tables, tags={"run": as_of.run_of(ledger), "as_of_on": as_of_date}))
    logs.log().info("dumped", rows=dict(tables), out=out)
    if as_json:
        click.echo(json.dumps(dict(tables)))
        return
    for table, rows in tables:
        click.echo(f"{table:<20} {rows:>12,} rows")


@main.command()
@_store
@click.option("--out", type=_WRITTEN, default=None, help="Write a .sql file that makes the views in any DuckDB.")
@click.option("--duckdb", "database", type=_WRITTEN, default=None, help="Write a DuckDB file that holds the views.")
@click.option("--copy", is_flag=True, help="With --duckdb: the tables themselves, for another machine.")
@click.option("--as-of", "as_of_run", type=int, default=None, metavar="RUN", help="What was known after a run.")
@_as_json
def views(
    store: Path | str, out: Path | None, database: Path | None, copy: bool, as_of_run: int | None, as_json: bool
) -> None:
    """Write the tables of the ledger as SQL views over its files, for DuckDB and BI tools."""
    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.place import refuse_inside_store
    from pipeline.ledger.store import Store
    from pipeline.ledger.views import write_database, write_sql

    if (out is None) == (database is None):
        raise click.UsageError("Give either --out or --duckdb.")
    if copy and database is None:
        raise click.UsageError("Give --copy with --duckdb.")
    refuse_inside_store(Path(str(out or database)))
    ledger, as_of, at = Store.open(store), AsOf(as_of_run), datetime.now(UTC)
    if out is not None:
        tables = write_sql(ledger, out, at=at, as_of=as_of)
    else:
        tables = write_database(ledger, Path(str(database)), at=at, as_of=as_of, copy=copy)
    run = as_of.run_of(ledger)
    if as_json:
        click.echo(json.dumps({"file": str(out or database), "run": run, "tables": tables}))
        return
    click.echo(f"{len(tables)} {'tables' if copy else 'tables as views'}, as of run {run}: {out or database}")


@main.command()
@_store
@click.option("--format", "format_name", default=None, help="A format's name, or the path of a .toml file.")
@click.option("--profile", "profile_file", type=_FILE, default=None, help="A profile: a .toml file.")
@click.option("--entity", default=None, help="The legal entity.")
@click.option("--from", "first", type=_DAY, default=None, help="First posting date.")
@click.option("--through", "last", type=_DAY, default=None, help="Last posting date.")
@click.option("--order", default=None, help="Write the bank's file of this payment order.")
@click.option("--again", "again_number", type=int, default=None, help="Write the files of this export anew.")
@click.option(
    "--cancel", "cancel_number", type=int, default=None, help="Cancel this export: its entries are free again."
)
@click.option("--out", type=_DIRECTORY, default=None, help="Directory for the files.")
@click.option("--on", type=_DAY, default=None, help="The day the export is made on.  [default: today]")
@click.option("--preview", is_flag=True, help="Show totals and balances; record and write nothing.")
@click.option("--account", default=None, help="With --preview: show the lines on this general account, entry by entry.")
@click.option("--deliver", "delivers", is_flag=True, help="Carry the files to the destinations of the profile.")
@click.option("--to", "destinations", multiple=True, help="With --deliver: to this destination too.")
@_config
@_as_of
@_as_json
@click.pass_context
def export(
    ctx: click.Context,
    store: Path | str,
    format_name: str | None,
    profile_file: Path | None,
    entity: str | None,
    first: date | None,
    last: date | None,
    order: str | None,
    again_number: int | None,
    cancel_number: int | None,
    out: Path | None,
    on: date | None,
    preview: bool,
    account: str | None,
    delivers: bool,
    destinations: tuple[str, ...],
    config: Path,
    as_of_run: int | None,
    as_of_date: date | None,
    as_json: bool,
) -> None:
    """Write entries in the format of an accounting package, or the bank's file of an order.

    As of a run or a day: the entries and letterings of then that no export of the profile has taken so far. It makes no
    payment order.
    """
    from pipeline.exports import export as exporting
    from pipeline.exports.record import record_of
    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.lineage import export_made
    from pipeline.ledger.place import refuse_inside_store
    from pipeline.ledger.store import Store
    from pipeline.run import paid_by_export
    from pipeline.screen import deliveries_as_text, export_as_dict, print_export

    as_of = AsOf(as_of_run, as_of_date)
    made_anew = order is None and again_number is None and cancel_number is None
    _demand(not as_of or made_anew, "--as-of and --as-of-date go with --format or --profile.")
    _demand(not delivers or (not preview and cancel_number is None), "--deliver goes with what writes files.")
    _demand(not destinations or delivers, "--to goes with --deliver.")
    _demand(account is None or preview, "Give --account with --preview.")
    _demand(out is not None or preview or cancel_number is not None, "Missing option '--out'.")
    folder = out or Path()
    if out is not None:
        refuse_inside_store(out)
    # What cannot be delivered is refused before anything is recorded.
    carry = _carrier(config, store, destinations) if delivers else None
    ledger = Store.open(store)
    if cancel_number is not None:
        _cancel_export(ledger, cancel_number, as_json=as_json)
        return
    if order is not None:
        _write_order(ctx, ledger, order, folder, carry, destinations, as_json=as_json)
        return
    if again_number is not None:
        name = record_of(ledger, again_number)["profile"]
        make = partial(exporting.again, ledger, again_number, folder)
    else:
        profile = _profile(format_name, profile_file, names_destination=delivers and not destinations)
        day = on or date.today()  # noqa: DTZ011 - the day on the wall
        chosen = entity or profile.entity
        _demand(chosen is not None, "Missing option '--entity'.")
        name = profile.name
        make = partial(
            exporting.export,
            ledger,
            profile=profile,
            entity=chosen,
            first=first,
            last=last,
            on=day,
            out=folder,
            preview=preview,
            account=account,
            pay=paid_by_export(legal_entity=chosen, created_on=last or day, on=day),
            as_of=as_of,
        )
    with _lineage(ctx, config, f"lettrage.export.{name}", is_wanted=not preview) as lineage:
        result = make()
        export_made(lineage, ledger, folder, result)
    told = export_as_dict(result)
    logs.bind(legal_entity=result.legal_entity, run=result.run)
    logs.log().info(
        "previewed" if preview else "exported",
        **{name: told[name] for name in ("profile", "entries", "lines", "files", "notes")},
        export_number=result.number,
    )
    outcomes = carry(f"export {result.number}", destinations) if carry is not None and result.number else []
    if as_json:
        sent = {"deliveries": [one.as_dict() for one in outcomes]} if delivers else {}
        click.echo(json.dumps({**told, **sent}, default=str, ensure_ascii=False, indent=2))
    else:
        print_export(result, folder)
        click.echo(deliveries_as_text(outcomes), nl=False)
    _end_delivery(ctx, outcomes, is_asked=True)


def _demand(holds: object, said: str) -> None:
    """Ends the command with how it is to be given. Raises: UsageError of click."""
    if not holds:
        raise click.UsageError(said)


def _profile(format_name: str | None, profile_file: Path | None, *, names_destination: bool) -> Any:
    """The profile of a file, or that of a format with nothing set. names_destination: it has to."""
    from pipeline.exports.profile import Profile, load_profile

    _demand((format_name is None) != (profile_file is None), "Give either --format or --profile.")
    named = Profile(name=str(format_name), format=str(format_name))
    profile = named if profile_file is None else load_profile(profile_file)
    _demand(profile.destinations or not names_destination, "The profile names no destination: give --to.")
    return profile


def _cancel_export(ledger: Any, number: int, *, as_json: bool) -> None:
    """Cancels an export, and says who has its files."""
    from pipeline.delivery.receipts import receipts
    from pipeline.exports import export as exporting

    exporting.cancel(ledger, number)
    had = receipts(ledger).filter(export_number=number)["destination"].unique().sort().to_list()
    if had:
        _tell(f"export {number} was delivered to {', '.join(had)}: tell them")
    done = {"export_number": number, "export_status": "cancelled"}
    click.echo(json.dumps(done) if as_json else f"export {number} is cancelled; its entries are free again")


def _write_order(
    ctx: click.Context,
    ledger: Any,
    order: str,
    folder: Path,
    carry: Callable[[str, tuple[str, ...]], list[Any]] | None,
    destinations: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Writes the bank's file of an order, and delivers it where that is asked for."""
    from pipeline.exports import export as exporting
    from pipeline.screen import deliveries_as_text

    _demand(carry is None or destinations, "--order with --deliver goes with --to.")
    files = exporting.export_order(ledger, order=order, out=folder)
    outcomes = [] if carry is None else carry(f"order {order}", destinations)
    if as_json:
        told: dict[str, Any] = {
            "files": [{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in files]
        }
        sent = {} if carry is None else {"deliveries": [one.as_dict() for one in outcomes]}
        click.echo(json.dumps({**told, **sent}))
    else:
        click.echo("\n".join(str(folder / file.name) for file in files))
        click.echo(deliveries_as_text(outcomes), nl=False)
    _end_delivery(ctx, outcomes, is_asked=True)


def _carrier(
    config: Path, store: Path | str, destinations: tuple[str, ...]
) -> Callable[[str, tuple[str, ...]], list[Any]]:
    """Gives the function that delivers a subject to the destinations of its profile and to others.

    Raises: SettingsError where the settings are not those of this ledger, or do not know one of the destinations;
    StateError where what is delivered could not be written down.
    """
    from pipeline.delivery.deliver import deliver_one, demand_same_store
    from pipeline.errors import SettingsError
    from pipeline.ledger.store import Store
    from pipeline.settings.settings import load_settings
    from pipeline.state.state import opened

    settings = load_settings(config)
    demand_same_store(settings, str(store))
    for name in destinations:
        if name not in settings.destinations:
            raise SettingsError(f"the settings know no destination {name}", mend=f"describe it in {config}")
    with opened(settings.state):
        pass

    def carry(subject: str, to: tuple[str, ...]) -> list[Any]:
        return list(deliver_one(Store.open(store), settings, subject, to, tell=_tell))

    return carry


def _tell(said: str) -> None:
    if logs.is_json():
        logs.log().info("note", text=said)
    else:
        click.echo(f"lettrage: {said}", err=True)


def _end_delivery(ctx: click.Context, outcomes: list[Any], *, is_asked: bool) -> None:
    """Ends with 1 where something did not arrive.

    is_asked: for these by name; what is due and another process is at is no fault.
    """
    if any(one.state in {"failed", "unclear"} or (is_asked and one.state == "busy") for one in outcomes):
        ctx.exit(1)


@main.command()
@click.option("--export", "numbers", type=int, multiple=True, help="This export alone.")
@click.option("--order", "orders", multiple=True, help="The bank's file of this payment order; it needs --to.")
@click.option("--to", "destinations", multiple=True, help="To this destination, in place of those of the profile.")
@click.option("--again", is_flag=True, help="Also what was delivered, once more.")
@click.option("--arrived", is_flag=True, help="Send nothing: a person says that it has arrived.")
@click.option("--preview", is_flag=True, help="Tell what would be sent, and send nothing.")
@_config
@_as_json
@click.pass_context
def deliver(
    ctx: click.Context,
    numbers: tuple[int, ...],
    orders: tuple[str, ...],
    destinations: tuple[str, ...],
    again: bool,
    arrived: bool,
    preview: bool,
    config: Path,
    as_json: bool,
) -> None:
    """Carry recorded exports to the destinations of their profiles: what was delivered is not sent twice.

    Exit code 1 where something did not arrive; it is tried again by the next call.
    """
    from pipeline.delivery.deliver import Wish, wanted
    from pipeline.delivery.deliver import deliver as carry
    from pipeline.ledger.store import Store
    from pipeline.screen import deliveries_as_text
    from pipeline.settings.settings import load_settings

    if (again or arrived) and not (numbers or orders):
        raise click.UsageError("--again and --arrived go with --export or --order.")
    if again and arrived:
        raise click.UsageError("Give either --again or --arrived.")
    if orders and not destinations:
        raise click.UsageError("--order goes with --to.")
    settings = load_settings(config)
    ledger = Store.open(settings.store)
    asked = wanted(ledger, settings, numbers, orders, destinations)
    names = sorted({name for _, name in asked})
    if (again or arrived) and not destinations and len(names) > 1:
        raise click.UsageError(f"--again and --arrived need --to: the profile names {', '.join(names)}.")
    outcomes = carry(ledger, settings, asked, wish=Wish(again=again, arrived=arrived, preview=preview), tell=_tell)
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in outcomes], ensure_ascii=False, indent=2))
    else:
        click.echo(deliveries_as_text(outcomes) or "nothing is to be delivered\n", nl=False)
    _end_delivery(ctx, outcomes, is_asked=bool(numbers or orders))


@main.group("schedule")
def schedules() -> None:
    """What is done by itself: exports, payment files, master data (docs/schedules.md)."""


@schedules.command("run-due")
@_config
@_as_json
@click.pass_context
def run_due(ctx: click.Context, config: Path, as_json: bool) -> None:
    """Do what is due, once, then deliver what waits; to be called as often as you like.

    Exit code 1 where something failed, which stays due; 3 where something went to quarantine or was rejected.
    """
    from pipeline.schedule.run_due import run_due as do_due
    from pipeline.screen import due_as_text
    from pipeline.settings.settings import load_settings

    done = do_due(load_settings(config), now=datetime.now(UTC), tell=_tell)
    if as_json:
        click.echo(json.dumps(done.as_dict(), default=str, ensure_ascii=False, indent=2))
    else:
        click.echo(due_as_text(done), nl=False)
    if done.has_failed:
        ctx.exit(1)
    if done.has_findings:
        ctx.exit(QUARANTINED)


@schedules.command("show")
@click.option("--count", type=click.IntRange(1, 1000), default=3, show_default=True, help="How many dates of each.")
@_config
@_as_json
def show_schedules(count: int, config: Path, as_json: bool) -> None:
    """List the schedules with what is due and their next dates."""
    from pipeline.schedule.run_due import upcoming
    from pipeline.screen import schedules_as_text
    from pipeline.settings.settings import load_settings

    rows = upcoming(load_settings(config), now=datetime.now(UTC), count=count)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        click.echo(schedules_as_text(rows) or "the settings have no schedules\n", nl=False)


@main.command()
@click.option("--reference", type=_DIRECTORY, default=None, help="The reference directory; it keeps every version.")
@click.option("--from", "drop", type=click.Path(path_type=Path, exists=True), default=None, help="A folder or file.")
@click.option("--source", "source_name", default=None, help="Every drop of this source of the settings.")
@click.option("--full", is_flag=True, help="What is not in a table's file is gone.  [default: changes alone]")
@click.option("--strict", is_flag=True, help="One rejected line, and nothing is applied.")
@click.option(
    "--most-vanishing",
    type=click.IntRange(0, 100),
    default=20,
    show_default=True,
    help="With --full: percent of a table that may be gone; above it nothing is applied.",
)
@click.option("--on", type=_DAY, default=None, help="The day of the sync.  [default: today]")
@click.option("--preview", is_flag=True, help="Tell what would change, and write nothing.")
@click.option("--diff", "diff_file", type=_WRITTEN, default=None, help="Write every change into this CSV file.")
@click.option("--watch", type=click.IntRange(min=1), default=None, help="Look again after so many seconds, for ever.")
@_config
@_as_json
@click.pass_context
def sync(
    ctx: click.Context,
    reference: Path | None,
    drop: Path | None,
    source_name: str | None,
    full: bool,
    strict: bool,
    most_vanishing: int,
    on: date | None,
    preview: bool,
    diff_file: Path | None,
    watch: int | None,
    config: Path,
    as_json: bool,
) -> None:
    """Bring master data into the reference: axes, sections, rights, accounts, employees (docs/master-data.md).

    Give --reference and --from, or --source. Exit code 3: done, but for the lines in the error files; 2: nothing was
    applied, and a person has to look.
    """
    from pipeline.masterdata.sync import sync as bring
    from pipeline.masterdata.sync import user_name
    from pipeline.screen import sync_as_text

    if (source_name is None) == (drop is None) or (drop is None) != (reference is None):
        raise click.UsageError("Give --reference and --from, or --source.")
    if source_name is not None and (full or strict):
        raise click.UsageError("--full and --strict go with --from; a source has its own in the settings.")
    if watch is not None and (source_name is None or preview):
        raise click.UsageError("--watch goes with --source, and not with --preview.")
    while True:
        day = on or date.today()  # noqa: DTZ011 - the day on the wall is meant
        if source_name is None:
            brought = bring(
                Path(str(reference)),
                Path(str(drop)),
                mode="full" if full else "changes",
                on=day,
                preview=preview,
                strict=strict,
                most_vanishing_percent=most_vanishing,
                who=user_name(),
            )
            results = [brought]
        else:
            results = _drops_of(config, source_name, day, preview=preview, goes_on=watch is not None)
        if as_json and (results or watch is None):
            click.echo(json.dumps([one.as_dict() for one in results], ensure_ascii=False, indent=2))
        elif not as_json:
            click.echo("".join(sync_as_text(one) for one in results) or ("" if watch else "no drop waits\n"), nl=False)
        if diff_file is not None:
            _write_diff(diff_file, results)
        if watch is None:
            ctx.exit(max((one.exit_code for one in results), key=[0, QUARANTINED, 2].index, default=0))
        time.sleep(watch)


def _drops_of(config: Path, source_name: str, day: date, *, preview: bool, goes_on: bool) -> list[Any]:
    """Takes a source; where it is looked at again and again, what may pass by itself is told and tried again."""
    from pipeline.errors import StoreBusyError, TryAgainError
    from pipeline.masterdata.source import sync_source
    from pipeline.settings.settings import load_settings

    try:
        return sync_source(load_settings(config), source_name, on=day, preview=preview)
    except (StoreBusyError, TryAgainError) as error:
        if not goes_on:
            raise
        click.echo(f"lettrage: {error}", err=True)
        return []


def _write_diff(path: Path, results: list[Any]) -> None:
    import polars as pl

    parts = [one.diff.insert_column(0, pl.Series("source", [one.source] * one.diff.height)) for one in results]
    if parts:
        pl.concat(parts).write_csv(path, include_bom=True)


@main.group("reference")
def references() -> None:
    """The versions of the reference that `lettrage sync` made: their history, and the way back."""


_VERSIONED = click.option(
    "--reference", type=_EXISTING, required=True, help="The reference directory, with its versions."
)


@references.command("history")
@_VERSIONED
@_as_json
def reference_history(reference: Path, as_json: bool) -> None:
    """List the versions: when each was made, of what, and what it changed."""
    from pipeline.masterdata.versions import history
    from pipeline.screen import history_as_text

    told = history(reference)
    said = json.dumps(told, ensure_ascii=False, indent=2) if as_json else history_as_text(told)
    click.echo(said or "there are no versions yet: the directory is read as it stands")


@references.command("show")
@_VERSIONED
@click.argument("version", type=click.IntRange(min=1))
@_as_json
def show_reference(reference: Path, version: int, as_json: bool) -> None:
    """Show what a version changed, held against the one before it."""
    from pipeline.masterdata.sync import shown
    from pipeline.screen import sync_as_text

    told = shown(reference, version)
    click.echo(json.dumps(told.as_dict(), ensure_ascii=False, indent=2) if as_json else sync_as_text(told).rstrip())


@references.command("rollback")
@_VERSIONED
@click.argument("version", type=click.IntRange(min=1))
@click.option("--on", type=_DAY, default=None, help="The day that it is done on.  [default: today]")
@_as_json
def rollback_reference(reference: Path, version: int, on: date | None, as_json: bool) -> None:
    """Put what an earlier version held into force again, as a new version; none is lost."""
    from pipeline.masterdata.sync import rollback, user_name
    from pipeline.screen import sync_as_text

    day = on or date.today()  # noqa: DTZ011 - the day on the wall is meant
    told = rollback(reference, version, on=day, who=user_name())
    click.echo(json.dumps(told.as_dict(), ensure_ascii=False, indent=2) if as_json else sync_as_text(told).rstrip())


@main.command("deliveries")
@click.option("--export", "number", type=int, default=None, help="Of this export alone.")
@click.option("--to", "destination", default=None, help="To this destination alone.")
@_config
@_as_json
def list_deliveries(number: int | None, destination: str | None, config: Path, as_json: bool) -> None:
    """List what receivers have got, and what is under way to them."""
    from pipeline.delivery.deliver import delivered
    from pipeline.ledger.store import Store
    from pipeline.screen import receipts_as_text
    from pipeline.settings.settings import load_settings

    settings = load_settings(config)
    got, waiting = delivered(Store.open(settings.store), settings, export=number, destination=destination)
    if as_json:
        told = {"delivered": got, "under_way": waiting}
        click.echo(json.dumps(told, default=str, ensure_ascii=False, indent=2))
    else:
        click.echo(receipts_as_text(got, waiting) or "nothing was delivered\n", nl=False)


@main.command()
@_store
@click.argument("files", type=_FILE, nargs=-1, required=True)
@click.option("--format", "format_name", default=None, help="Read it by this format.  [default: the recorded one]")
@click.option("--profile", "profile_file", type=_FILE, default=None, help="Read it by this profile.")
@click.option("--export", "number", type=int, default=None, help="The export.  [default: the one of the file's name]")
@_as_json
@click.pass_context
def verify(
    ctx: click.Context,
    store: Path | str,
    files: tuple[Path, ...],
    format_name: str | None,
    profile_file: Path | None,
    number: int | None,
    as_json: bool,
) -> None:
    """Read files of an export back and hold them against the ledger; exit 1 where they differ."""
    from pipeline.exports.profile import load_profile
    from pipeline.exports.verify import as_dict, as_text
    from pipeline.exports.verify import verify as hold
    from pipeline.ledger.store import Store

    if format_name is not None and profile_file is not None:
        raise click.UsageError("Give either --format or --profile.")
    profile = None if profile_file is None else load_profile(profile_file)
    found = hold(Store.open(store), list(files), format_name=format_name, profile=profile, number=number)
    click.echo(json.dumps(as_dict(found), default=str, ensure_ascii=False, indent=2) if as_json else as_text(found))
    if not found.agrees:
        ctx.exit(1)


@main.command("exports")
@_store
@_as_json
def list_exports(store: Path | str, as_json: bool) -> None:
    """List what was exported."""
    from pipeline.exports.export import exports
    from pipeline.ledger.store import Store

    rows = exports(Store.open(store)).to_dicts()
    if as_json:
        click.echo(json.dumps(rows, default=str, ensure_ascii=False, indent=2))
        return
    for row in rows:
        period = f"{row['first_on'] or '…'} - {row['last_on'] or '…'}"
        day = "" if row["as_of_on"] is None else f", the books at the end of {row['as_of_on']}"
        click.echo(
            f"{row['export_number']:>5}  {row['export_status']:<9}  {row['legal_entity']:<8}  {row['profile']:<16}  "
            f"{period}  {row['entry_count']:>8,} entries  run {row['run']}{day}"
        )


@main.command()
@click.argument("name", required=False)
@click.option("--check", "checked", type=_FILE, multiple=True, help="Say what is wrong with a format file, by line.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema by which editors complete a format file.")
@_as_json
@click.pass_context
def formats(ctx: click.Context, name: str | None, checked: tuple[Path, ...], schema: bool, as_json: bool) -> None:
    """List what can be exported, show what there is to know of one format, or check format files."""
    from pipeline.exports import pages
    from pipeline.exports.format import load_format
    from pipeline.exports.lint import lint, shipped_formats

    if schema:
        click.echo(json.dumps(pages.schema(), ensure_ascii=False, indent=2))
    elif checked:
        found = [(path, finding) for path in checked for finding in lint(path)]
        for path, finding in found:
            said = " ".join(finding.message.split())
            click.echo(f"{path}:{finding.line}: {'error' if finding.is_error else 'warning'}: {said}")
        if any(finding.is_error for _, finding in found):
            ctx.exit(2)
        click.echo(f"{len(checked)} checked, {len(found)} warnings")
    elif name is not None:
        click.echo(pages.page(load_format(name, pages.wishes_of(name))))
    else:
        known = shipped_formats()
        if as_json:
            keys = ("title", "package", "kind", "confidence", "unsure")
            rows = [{"name": one.name, **{key: getattr(one.format, key) for key in keys}} for one in known]
            click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
            return
        for one in known:
            doubt = f"  ({one.format.confidence} confidence)" if one.format.confidence in ("medium", "low") else ""
            click.echo(f"{one.name:<28} {one.format.title}{doubt}")


@main.command("new-format")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--like", "name", default=None, help="Copy this format, which comes with the program.")
@click.option("--sample", "sample_file", type=_FILE, default=None, help="Guess from this file, text, XLSX or Parquet.")
@click.option("--sheet", default=None, help="The sheet of a sample workbook.  [default: the first with cells in it]")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.pass_context
def new_format(
    ctx: click.Context, file: Path, name: str | None, sample_file: Path | None, sheet: str | None, force: bool
) -> None:
    """Start a format file: a copy of one that comes with the program, or a guess from a sample file."""
    from pipeline.exports.new_format import from_sample, like

    if (name is None) == (sample_file is None):
        raise click.UsageError("Give either --like or --sample.")
    if sheet is not None and sample_file is None:
        raise click.UsageError("--sheet is of a --sample.")
    if sample_file is not None:
        made = from_sample(file, sample_file, sheet=sheet, force=force)
    else:
        made = like(file, str(name), force=force)
    click.echo(f"wrote {made.path}")
    for said in made.said:
        click.echo(f"  {said}")
    for finding in made.findings:
        said = " ".join(finding.message.split())
        click.echo(f"{file}:{finding.line}: {'error' if finding.is_error else 'warning'}: {said}")
    if any(finding.is_error for finding in made.findings):
        ctx.exit(2)


@main.command()
@_store
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Threads to use.  [default: all cores]")
@click.option(
    "--memory-limit", type=Memory(), default=None, help='Memory for tables before they spill to disk, as "2GB".'
)
@_as_json
def compact(store: Path | str, threads: int | None, memory_limit: str | None, as_json: bool) -> None:
    """Merge the files of many small runs into a few large ones; readers and runs may go on meanwhile."""
    from pipeline.ledger.compact import compact as merge
    from pipeline.ledger.store import Store

    done = merge(Store.open(store), memory_limit=memory_limit, threads=threads)
    if as_json:
        click.echo(json.dumps([kind.__dict__ for kind in done]))
        return
    for kind in done:
        click.echo(f"{kind.kind:<20} {kind.before:>6,} files, now {kind.after:>4,}  {kind.written:>12,} bytes written")
    if not done:
        click.echo("nothing to merge")


@main.command()
@_store
@click.option("--out", type=_PLACE, required=True, help="Where the back-up is, or is to be.")
@_as_json
def backup(store: Any, out: Any, as_json: bool) -> None:
    """Copy the ledger as it is now, while runs go on; made again into the same place, only what is new."""
    from pipeline.ledger.backup import back_up
    from pipeline.ledger.place import place_of
    from pipeline.ledger.store import Store

    copied = back_up(Store.open(store), place_of(out))
    click.echo(json.dumps(copied.__dict__) if as_json else f"{copied} to {out}")


@main.command()
@click.option("--from", "source", type=_PLACE, required=True, help="The back-up.")
@_store
@_as_json
def restore(source: Any, store: Any, as_json: bool) -> None:
    """Make a ledger of a back-up, once all of it is found whole."""
    from pipeline.ledger.backup import restore as bring_back
    from pipeline.ledger.place import place_of
    from pipeline.ledger.store import Store

    copied = bring_back(Store.open(source), place_of(store))
    click.echo(json.dumps(copied.__dict__) if as_json else f"{copied} to {store}")


@main.command()
@_store
@click.option("--chain", is_flag=True, help="Recompute the chain of digests too, and name what was changed by hand.")
@click.option("--expect", default=None, help="A digest that a run gave: it must be one of the chain's.")
@_as_json
@click.pass_context
def check(ctx: click.Context, store: Path | str, chain: bool, expect: str | None, as_json: bool) -> None:
    """Hold the ledger's files to their digests and its rows to the invariants; exit 1 where one fails."""
    from pipeline.ledger.check import check as find_violations
    from pipeline.ledger.store import Store

    if expect is not None and not chain:
        raise click.UsageError("Give --expect with --chain.")
    violations = find_violations(Store.open(store), with_chain=chain, expected=expect)
    if as_json:
        click.echo(json.dumps([violation.__dict__ for violation in violations], default=str))
    else:
        for violation in violations:
            click.echo(str(violation))
        if not violations:
            click.echo("every invariant holds")
    if violations:
        ctx.exit(1)


@main.command()
@_store
@_as_of
@_as_json
def status(store: Path | str, as_of_run: int | None, as_of_date: date | None, as_json: bool) -> None:
    """Runs, quarantine and balances at a glance, as they are or as they were."""
    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.status import render
    from pipeline.ledger.status import status as look
    from pipeline.ledger.store import Store

    seen = look(Store.open(store), as_of=AsOf(as_of_run, as_of_date))
    if as_json:
        click.echo(json.dumps(seen.as_dict(), default=str, ensure_ascii=False, indent=2))
    else:
        from pipeline.console import wide_console

        render(seen, wide_console())


@main.command("balances")
@_store
@click.option("--entity", default=None, help="Of this legal entity alone.")
@click.option("--employees", is_flag=True, help="The employees' accounts in place of the general ones.")
@click.option("--open", "is_open", is_flag=True, help="The unlettered lines of the employees, and what they add up to.")
@_as_of
@_as_json
def show_balances(
    store: Path | str,
    entity: str | None,
    employees: bool,
    is_open: bool,
    as_of_run: int | None,
    as_of_date: date | None,
    as_json: bool,
) -> None:
    """The accounts, the employees' accounts or what is open on them, as they are or as they were."""
    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.balances import balances, employee_accounts, open_items
    from pipeline.ledger.store import Store
    from pipeline.screen import balances_as_text

    if employees and is_open:
        raise click.UsageError("Give either --employees or --open.")
    look = employee_accounts if employees else open_items if is_open else balances
    told = look(Store.open(store), entity=entity, as_of=AsOf(as_of_run, as_of_date))
    click.echo(
        json.dumps(told.as_dict(), default=str, ensure_ascii=False, indent=2) if as_json else balances_as_text(told)
    )


@main.command()
@_store
@click.argument("what")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["entry", "document", "employee"]),
    default=None,
    help="Take the name as this alone.  [default: whatever it names]",
)
@click.option("--legal-entity", default=None, help="Tell nothing of other legal entities.")
@click.option("--as-of", "as_of_run", type=int, default=None, metavar="RUN", help="What was known after a run.")
@_as_json
def explain(
    store: Path | str, what: str, kind: Any, legal_entity: str | None, as_of_run: int | None, as_json: bool
) -> None:
    """Tell the story of WHAT: an entry (FR01/VE/2026/12), a document's id, or an employee's code.

    Which run, batch and version made each line, what took it back, its letterings and what each delettering was for.
    """
    from pipeline.ledger.as_of import AsOf
    from pipeline.ledger.store import Store
    from pipeline.ledger.story.explain import explain as tell
    from pipeline.ledger.story.text import as_text

    told = tell(Store.open(store), what, kind=kind, legal_entity=legal_entity, as_of=AsOf(as_of_run))
    click.echo(json.dumps(told.as_dict(), ensure_ascii=False, indent=2) if as_json else as_text(told))


@main.command()
@_config
@click.option("--host", default=None, help="The address to listen on.  [default: that of the settings]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=None, help="The port; 0 is any.  [default: the settings']"
)
def serve(config: Path, host: str | None, port: int | None) -> None:
    """Serve the API: exports, balances, batches over HTTP (docs/api.md)."""
    from pipeline.api.server import serve as serve_api
    from pipeline.settings.settings import load_settings

    settings = load_settings(config)
    serve_api(settings, host=host or settings.api.host, port=settings.api.port if port is None else port)


@main.group()
def keys() -> None:
    """Make, list and revoke the keys of the API."""


@keys.command("add")
@click.argument("name")
@click.option(
    "--right",
    "rights",
    multiple=True,
    required=True,
    type=click.Choice(["read", "export", "post", "admin"]),
    help="What it may do; give the option once for each right.",
)
@click.option("--entity", "entities", multiple=True, required=True, help="A legal entity that it is for, or * for all.")
@click.option("--expires", type=_DAY, default=None, help="The last day on which it opens anything.")
@_config
def keys_add(name: str, rights: tuple[str, ...], entities: tuple[str, ...], expires: date | None, config: Path) -> None:
    """Make a key for NAME and print it, this once: only a digest of it is kept."""
    from pipeline.api import keys as api_keys
    from pipeline.settings.settings import load_settings
    from pipeline.state.state import opened

    with opened(load_settings(config).state) as state:
        click.echo(api_keys.add(state, name, rights=rights, entities=entities, expires_on=expires))


@keys.command("list")
@_config
@_as_json
def keys_list(config: Path, as_json: bool) -> None:
    """List the keys, those that are revoked too."""
    from pipeline.api import keys as api_keys
    from pipeline.settings.settings import load_settings
    from pipeline.state.state import opened

    with opened(load_settings(config).state) as state:
        known = api_keys.known(state)
    if as_json:
        click.echo(json.dumps([key.as_dict() for key in known], ensure_ascii=False, indent=2))
        return
    for key in known:
        ends = f"revoked {key.revoked_at}" if key.revoked_at else f"until {key.expires_on}" if key.expires_on else ""
        whose = "*" if key.entities is None else ",".join(key.entities)
        click.echo(f"{key.key_id}  {','.join(key.rights):<24}  {whose:<16}  {key.name}  {ends}".rstrip())


@keys.command("revoke")
@click.argument("key_id")
@_config
def keys_revoke(key_id: str, config: Path) -> None:
    """Revoke the key of this id: from now on it opens nothing."""
    from pipeline.api import keys as api_keys
    from pipeline.settings.settings import load_settings
    from pipeline.state.state import opened

    with opened(load_settings(config).state) as state:
        api_keys.revoke(state, key_id)
    click.echo(f"key {key_id} is revoked")


@main.command()
@click.option("--out", type=_DIRECTORY, required=True, help="Directory for reference/ and batch-1..3/.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same company.")
@click.option("--scale", type=click.IntRange(min=1), default=1, show_default=True, help="How many times larger.")
@click.option("--parquet", is_flag=True, help="Parquet in place of CSV.")
def sample(out: Path, seed: int, scale: int, parquet: bool) -> None:
    """Write the sample company: reference tables and three monthly batches."""
    from pipeline.sample import write_sample

    for path in write_sample(out, seed=seed, scale=scale, parquet=parquet):
        click.echo(str(path))


if __name__ == "__main__":
    sys.exit(main())
