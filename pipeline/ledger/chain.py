"""The chain: a digest of what each commit added, over the one before it (docs/store.md, "Tamper evidence").

Of the rows of a kind that a commit adds, some thousand at a time make a *seal*: how many they are, the sum of their
digests, and the sum of each digest times a number made of the row's key. A row changed by hand moves the first sum by d
and the second by d times its own number, so that one division names it. Sums do not depend on the order or the files
in which rows lie: what compaction moves keeps its seals. The *link* of a commit is the SHA-256 of its seals and of the
link before.

The sums name rows, they are no proof against someone who knows them: the proof is that every segment is called after
the SHA-256 of its content, and that each log file holds the SHA-256 of the one before it.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from pipeline.ledger.reading import rows_of_files, stored_rows
from pipeline.sql import Session, identifier
from schemas import STORED
from schemas.table import columns, key, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.ledger.store import Store, Writer

#: rows that a seal covers, about
PART_ROWS = 1024
#: the chain's own
CHAIN = ("seals", "links")
#: when and where a run was made: left out of the links, so that the same batches give the same chain on any machine
_OF_A_MACHINE = "run_times"
#: of a kind that each run replaces, the rows of the last run alone are there
_REPLACED = "waiting"
#: the column that tells which commit added a row, where it is not the run
_NUMBERED_BY = {"exports": "sequence", "export_entries": "export_number", "deliveries": "sequence"}
#: kinds of which many rows have one key: what they say is part of it
_KEYED_BY = {"reference": ("run", "table_name", "row_json"), "waiting": ("run", "table_name", "document", "row_json")}
_LINK, _DIGEST = "lettrage.link", "lettrage.chain"


@contextmanager
def writing(store: Store, wait: float = 10.0) -> Iterator[Writer]:
    """Gives the store's one writer; a store of an older format is brought to today's first, in a commit of its own.

    Raises: StoreBusyError where another process writes for longer than `wait` seconds.
    """
    with store.writing(wait) as writer:
        migrate(writer)
        yield writer


def commit(writer: Writer, session: Session, *, what: str, run: int | None, metadata: Mapping[str, str]) -> str:
    """Commits what was written, with its seals and its link of the chain; returns the link's digest.

    session: may read the store. Raises: what Writer.commit raises.
    """
    number, previous = last_link(writer.store)
    link = number + 1
    seals = pl.concat(
        [
            _sealed(
                session,
                kind,
                rows_of_files(kind, writer.written(kind)),
                names=writer.columns(kind),
                rows=writer.row_count(kind),
            )
            for kind in writer.kinds()
            if kind in STORED
        ]
        or [pl.DataFrame(schema=_seal_schema())]
    )
    return _commit(writer, seals, link=link, previous=previous, what=what, run=run, metadata=metadata)


def last_link(store: Store) -> tuple[int, str]:
    """The number and digest of the store's last link; 0 and nothing where there is none."""
    for one in store.commits():
        if _LINK in one.info:
            return int(one.info[_LINK]), str(one.info[_DIGEST])
    return 0, ""


def carried(store: Store) -> dict[str, str]:
    """What a commit that adds nothing says of the chain: the last link as it is."""
    number, digest = last_link(store)
    return {_LINK: str(number), _DIGEST: digest} if number else {}


def migrate(writer: Writer) -> None:
    """Brings a store of format 1, which has no chain, to format 2: one link over all that is there.

    Killed between its two commits it goes on with the second: a store with a link has its seals.
    """
    store = writer.store
    if store.version < 0 or not store.is_older_format():
        return
    if last_link(store) == (0, ""):
        store.verify()
        with Session(store.place.readable_roots) as session:
            seals = pl.concat(
                [_sealed_anew(session, kind, stored_rows(store, kind)) for kind in store.kinds() if kind in STORED]
            )
            _commit(writer, seals, link=1, previous="", what="migrated", run=None, metadata={})
    writer.upgrade()
    writer.notes.append("the ledger was brought to the store's new format: older versions of lettrage cannot read it")


def broken_links(store: Store, session: Session, expected: str | None = None) -> list[str]:
    """Recomputes the links of the chain from its seals; says which are not what they were.

    expected: a digest that was kept elsewhere, which must be one of the chain's.
    """
    links = session.query(f"select * from ({stored_rows(store, 'links')}) order by link")
    seals = session.query(f"select * from ({stored_rows(store, 'seals')})")
    of_link = {number: part for (number,), part in seals.partition_by("link", as_dict=True).items()}
    said, previous = [], ""
    for number, row in enumerate(links.rows(named=True), start=1):
        what = f"link {row['link']}" + (f" (run {row['run']})" if row["run"] is not None else "")
        if row["link"] != number or row["previous"] != previous:
            said.append(f"{what} does not follow the one before it")
        elif row["digest"] != _digest(row, of_link.get(row["link"], pl.DataFrame(schema=_seal_schema()))):
            said.append(f"{what} is not the digest of what it added")
        previous = row["digest"]
    if (links.height, previous) != last_link(store):
        said.append("the chain does not end with the digest that the last commit gave")
    if expected is not None and expected not in set(links["digest"]):
        said.append(f"the digest {expected} is of no link: this chain is another one than the one that gave it")
    return said


def changed_rows(store: Store, session: Session) -> list[str]:
    """Holds every row of the store to the seals; names the rows that are not what a commit added."""
    said: list[str] = []
    session.create("seals_then", stored_rows(store, "seals"))
    for kind in STORED:
        if kind in CHAIN:
            continue
        session.view("sealed_rows", stored_rows(store, kind))
        names = [name for (name, *_) in session.con.execute("describe sealed_rows").fetchall()]
        keys = ", ".join(identifier(name) for name in _key(kind))
        of_run = f" and number = {_last_number(store, session)}" if kind == _REPLACED else ""
        # A kind may be large: its rows are read once to be summed, and again only where a sum has changed.
        session.create(
            "broken_seals",
            f"""
            with seals_now as ({_seal_query(kind, names, "sealed_rows", _then(kind))}),
            seals_of_kind as (select * from seals_then where kind_name = '{kind}'{of_run})
            select
                coalesce(seals_of_kind.number, seals_now.number) as number,
                coalesce(seals_of_kind.part, seals_now.part) as part,
                coalesce(seals_of_kind.row_count, 0) as rows_then,
                coalesce(seals_now.row_count, 0) as rows_now,
                coalesce(seals_now.digest_sum::hugeint, 0) - coalesce(seals_of_kind.digest_sum::hugeint, 0) as moved,
                coalesce(seals_now.keyed_sum::hugeint, 0) - coalesce(seals_of_kind.keyed_sum::hugeint, 0) as keyed_moved
            from seals_of_kind full outer join seals_now
                on seals_of_kind.number = seals_now.number and seals_of_kind.part = seals_now.part
            where seals_of_kind.digest_sum is distinct from seals_now.digest_sum
                or seals_of_kind.keyed_sum is distinct from seals_now.keyed_sum
                or seals_of_kind.row_count is distinct from seals_now.row_count
            """,
        )
        if session.value("select count(*) from broken_seals"):
            said += _named(session, kind, names, keys)
        said += _strangers(session, kind)
    return said


def _last_number(store: Store, session: Session) -> int:
    """What the rows of the kind that each run replaces say: the last run; 0 while none has followed a migration."""
    runs = session.value(f"select count(run) from ({stored_rows(store, 'links')})")
    return store.run if runs else 0


def _named(session: Session, kind: str, names: list[str], keys: str) -> list[str]:
    """Says of each broken seal which row it is, or, where several were changed, among which they are."""
    said = session.query(
        f"""
        with hashed_rows as (
            select {keys}, number, key_number, key_number % part_count as part
            from ({_hashed_rows(kind, names, "sealed_rows", keys)}) as hashed
            inner join ({_then(kind)}) as cuts using (number)
        ),
        rows_of_broken as (
            select broken_seals.*, hashed_rows.* exclude (number, part),
                hashed_rows.key_number::hugeint * broken_seals.moved = broken_seals.keyed_moved as is_it
            from broken_seals left join hashed_rows
                on broken_seals.number = hashed_rows.number and broken_seals.part = hashed_rows.part
        )
        select number, part, any_value(rows_then) as rows_then, any_value(rows_now) as rows_now,
            list(struct_pack({", ".join(f"{name} := {name}" for name in _key(kind))})) filter (is_it) as found
        from rows_of_broken group by number, part order by number, part
        """
    )
    return [_sentence(kind, **row) for row in said.rows(named=True)]


def _sentence(
    kind: str, number: int, part: int, rows_then: int, rows_now: int, found: list[dict[str, object]] | None
) -> str:
    by = {"exports": "change", "export_entries": "export", "deliveries": "delivery"}.get(kind, "run")
    if found:
        rows = [" ".join(f"{name}={value}" for name, value in one.items() if value is not None) for one in found]
        did = "was added by hand, not by" if rows_now > rows_then else "is not what was written by"
        return f"{kind} {'; '.join(rows)}: {did} {by} {number}"
    if rows_now < rows_then:
        return f"{kind}: {rows_then - rows_now} of the {rows_then:,} rows of part {part} of {by} {number} are gone"
    return f"{kind}: several of the {rows_now:,} rows of part {part} of {by} {number} are not what was written"


def _strangers(session: Session, kind: str) -> list[str]:
    """Rows that say they are of a commit that the chain does not know to have added any."""
    numbers = session.query(
        f"""
        select {_number(kind)} as number, count(*) as row_count from sealed_rows
        group by all having {_number(kind)} not in (select number from seals_then where kind_name = '{kind}')
        order by number
        """
    )
    return [f"{kind}: {count:,} rows say that they are of {one}, which added none" for one, count in numbers.rows()]


def _sealed(session: Session, kind: str, source: str, *, names: list[str], rows: int) -> pl.DataFrame:
    """The seals of rows of a kind that a commit adds, without their link. names: their columns. rows: how many."""
    part_count = max(1, -(-rows // PART_ROWS))
    return session.query(
        f"""
        select '{kind}' as kind_name, number, (key_number % {part_count})::integer as part,
            {part_count}::integer as part_count, count(*) as row_count,
            sum(row_number::hugeint)::varchar as digest_sum, sum(row_number::hugeint * key_number)::varchar as keyed_sum
        from ({_hashed_rows(kind, names, f"({source})")}) group by number, part order by number, part
        """
    )


def _sealed_anew(session: Session, kind: str, source: str) -> pl.DataFrame:
    """The seals of all rows of a kind, of whatever commits, without their link."""
    session.view("rows_to_seal", source)
    names = [name for (name, *_) in session.con.execute("describe rows_to_seal").fetchall()]
    cuts = f"""
        select {_number(kind)} as number, ((count(*) + {PART_ROWS - 1}) // {PART_ROWS})::integer as part_count
        from rows_to_seal group by all
    """
    return session.query(
        f"select '{kind}' as kind_name, number, part, part_count, row_count, digest_sum, keyed_sum "
        f"from ({_seal_query(kind, names, 'rows_to_seal', cuts)}) order by number, part"
    )


def _seal_query(kind: str, names: list[str], source: str, cuts: str) -> str:
    """Selects number, part, part_count, row_count and the two sums of the rows of `source`, cut as `cuts` says."""
    return f"""
        select hashed.number, (hashed.key_number % cuts.part_count)::integer as part,
            any_value(cuts.part_count) as part_count, count(*) as row_count,
            sum(hashed.row_number::hugeint)::varchar as digest_sum,
            sum(hashed.row_number::hugeint * hashed.key_number)::varchar as keyed_sum
        from ({_hashed_rows(kind, names, source)}) as hashed
        inner join ({cuts}) as cuts on hashed.number = cuts.number
        group by hashed.number, hashed.key_number % cuts.part_count
    """


def _then(kind: str) -> str:
    return f"select distinct number, part_count from seals_then where kind_name = '{kind}'"


def _hashed_rows(kind: str, names: list[str], source: str, besides: str = "") -> str:
    """Selects of each row its number, the first 60 bits of its digest, and 28 of its key's.

    A column that may be empty counts by name and only where it is filled: one that is added later changes no digest.
    """
    filled = {column.name for column in columns(STORED[kind]) if column.required}
    cells = [f"{identifier(name)}::varchar" for name in sorted(set(names) & filled)]
    cells += [f"'{name}=' || {identifier(name)}::varchar" for name in sorted(set(names) - filled)]
    keys = [f"'{name}=' || {identifier(name)}::varchar" for name in _key(kind)]
    return f"""
        select {besides + ", " if besides else ""}{_number(kind)} as number,
            ('0x' || left(sha256(concat_ws(chr(31), {", ".join(cells)})), 15))::ubigint as row_number,
            ('0x' || left(sha256(concat_ws(chr(31), {", ".join(keys)})), 7))::ubigint as key_number
        from {source}
    """


def _number(kind: str) -> str:
    """What tells the commit that added a row; 0 where the row does not say: rows that waited in a store of format 1."""
    return f"coalesce({identifier(_NUMBERED_BY.get(kind, 'run'))}, 0)"


def _key(kind: str) -> tuple[str, ...]:
    return _KEYED_BY.get(kind) or key(STORED[kind])


def _commit(
    writer: Writer,
    seals: pl.DataFrame,
    *,
    link: int,
    previous: str,
    what: str,
    run: int | None,
    metadata: Mapping[str, str],
) -> str:
    row = {"link": link, "run": run, "what": what, "previous": previous}
    digest = _digest(row, seals)
    writer.write("seals", validate(seals.select(pl.lit(link, pl.Int64).alias("link"), pl.all()), STORED["seals"]))
    schema = {column.name: column.polars_type for column in columns(STORED["links"])}
    links = pl.DataFrame([{**row, "digest": digest}], schema=schema, orient="row")
    writer.write("links", validate(links, STORED["links"]))
    writer.commit(run, {**metadata, _LINK: str(link), _DIGEST: digest})
    return digest


def _digest(row: Mapping[str, object], seals: pl.DataFrame) -> str:
    """The digest of a link: of what its row says and of its seals, in their order."""
    said = "|".join("" if row[name] is None else str(row[name]) for name in ("link", "run", "what", "previous"))
    sealed = (
        seals.filter(pl.col("kind_name") != _OF_A_MACHINE)
        .sort("kind_name", "number", "part")
        .select("kind_name", "number", "part", "part_count", "row_count", "digest_sum", "keyed_sum")
    )
    return hashlib.sha256(f"{said}\n{sealed.write_csv()}".encode()).hexdigest()


def _seal_schema() -> dict[str, pl.DataType]:
    return {column.name: column.polars_type for column in columns(STORED["seals"]) if column.name != "link"}
