"""Accepted documents in, their entries and lines out (spec §4).

Reads what stage.py leaves in the Session, and of the ledger `known_documents`, `stored_entry_lines` and
`stored_employee_state`. Leaves

    accepted_documents, posted_documents   a row a document, the latter with its fate: posted or unchanged
    entity_changes   a row a (document, legal entity): whether its accounting content changed there
    entries          a row an entry, not numbered yet; entry_id is this run's own
    lines            a row a line; amount is signed, debit positive, in the entry's currency
    sections_of_combinations   a row a combination of sections that lines bear
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.sql import Session

HERE = Path(__file__).parent

#: columns of entries that have few values
_FEW_VALUES = ("legal_entity", "journal", "journal_code", "document_kind", "payment_method", "currency")


def post_documents(session: Session, verify_lines: Callable[[list[int]], None], known_axes: Sequence[str]) -> None:
    """Makes the entries of the run's reports and advances: contra-entries, new ones, imputations.

    verify_lines: is told the runs of whose entry lines some are about to be read. known_axes: the `axis_<axis>` that
    lines of the ledger bear.
    """
    named = [f"axis_{axis}" for (axis,) in session.con.execute("select axis from axes").fetchall()]
    axes = sorted({*named, *known_axes})
    session.run(HERE / "accepted_documents.sql")
    session.run(HERE / "ignored_cancellations.sql")
    session.run(HERE / "unchanged_orders.sql")
    session.run(HERE / "gross_amounts.sql")
    session.run(HERE / "entry_kinds.sql")
    session.run(HERE / "recoverable_amounts.sql")
    session.run(HERE / "expense_amounts.sql")
    session.drop("gross_amounts")
    sections_as_one(session, axes)
    session.run(HERE / "charge_shares.sql")
    # Views: what a line says is written out once, with its account.
    for lines, journal in (("report_lines", "expense_report"), ("advance_lines", "advance")):
        session.view(lines, (HERE / "journals" / f"{journal}.sql").read_text(encoding="utf-8"))
    session.run(HERE / "document_lines.sql")
    session.drop("report_lines", "advance_lines", "recoverable_amounts", "charge_shares")
    session.run(HERE / "entity_changes.sql")
    session.drop("expense_amounts")
    session.run(HERE / "posted_documents.sql")
    load_stored_lines(session, verify_lines, axes)
    session.run(HERE / "contra_lines.sql")
    session.run(HERE / "advance_balances.sql")
    # Imputations follow the contra-entries: what those bring back to the advance can be imputed again.
    session.run(HERE / "journals" / "advance_imputation.sql", "imputations")
    session.add(HERE / "imputation_lines.sql", "document_lines")
    session.run(HERE / "entries.sql")
    session.run(HERE / "lines.sql")
    session.drop("document_lines")


def sections_as_one(session: Session, axes: Sequence[str]) -> None:
    """Makes the type sections_by_axis, a field an axis, and sections_of_combinations: a row a combination of sections.

    axes: every axis that a line of the run can bear, as `axis_<axis>`. A line has the number of its combination until
    it is written: an axis is named where sections come in and where they go out, and nowhere in between.
    """
    fields = ", ".join(f"{identifier(axis)} varchar" for axis in axes) or "none varchar"
    session.con.execute(f"create type sections_by_axis as struct({fields})")
    borne = ", ".join(f"'{axis}': max(if(axis = '{axis[5:]}', section, null))" for axis in axes) or "'none': null"
    # In force in the digests of documents: 'axis=section' of each axis that is borne, by name.
    said = "".join(f", '{axis[5:]}=' || sections.{identifier(axis)}" for axis in axes) or ", null"
    session.create(
        "sections_of_combinations",
        f"""
        with borne as (
            select combination, {{{borne}}}::sections_by_axis as sections from borne_sections group by combination
        )
        select *, concat_ws(chr(30){said}) as said from borne
        """,
    )


def load_stored_lines(session: Session, verify_lines: Callable[[list[int]], None], axes: Sequence[str]) -> None:
    """Makes stored_lines: the entry lines of the documents that may be taken back, with the number of their sections.

    What sections these bear is added to sections_of_combinations. Only the segments of the runs that posted them are
    looked into, so that it costs what changes and not what is kept.
    """
    session.run(HERE / "wanted_lines.sql")
    runs = sorted(int(run) for (run,) in session.con.execute("select distinct run from wanted_lines").fetchall())
    verify_lines(runs)
    present = {name for (name, *_) in session.con.execute("describe stored_entry_lines").fetchall()}
    borne = {axis: identifier(axis) for axis in axes if axis in present}
    kept = ", ".join(f"lines.{identifier(name)}" for name in sorted(present) if not name.startswith("axis_"))
    packed = ", ".join(f"'{axis}': {f'lines.{borne[axis]}' if axis in borne else 'null'}" for axis in axes)
    is_bare = " and ".join(f"lines.{name} is null" for name in borne.values()) or "true"
    in_runs = ", ".join(map(str, runs)) or "-1"
    last = session.value("select coalesce(max(combination), 0) from sections_of_combinations")
    session.create(
        "stored_lines",
        f"""
        with found as materialized (
            select {kept}, if({is_bare}, null, {{{packed or "'none': null"}}}::sections_by_axis) as sections
            from stored_entry_lines as lines
            semi join wanted_lines as wanted
                on lines.run = wanted.run and lines.document_kind = wanted.document_kind
                    and lines.document = wanted.document
            where lines.run in ({in_runs}) and in_part(lines.employee)
        ),
        combinations as (
            select sections, {last} + row_number() over () as combination
            from (select distinct sections from found where sections is not null)
        )
        select found.*, combinations.combination
        from found left join combinations on found.sections = combinations.sections
        """,
    )
    session.insert(
        "sections_of_combinations",
        "select distinct combination, sections, null::varchar as said from stored_lines where sections is not null",
    )


def order_entries(session: Session) -> None:
    """Makes entries_to_number: what the order of numbers asks of the run's entries."""
    session.run(HERE / "entries_to_number.sql")


def give_numbers(session: Session) -> None:
    """Makes entry_numbers of entries_to_number, of all parts of a run together (spec §4, "Numbering")."""
    session.run(HERE / "last_numbers.sql")
    session.run(HERE / "entry_numbers.sql")


def number_entries(session: Session) -> None:
    """Makes numbered_entries, and new_entry_lines as the ledger keeps them, with the numbers of entry_numbers."""
    # What has few values goes through the sort of the lines, and into files, as a number.
    for name in _FEW_VALUES:
        session.con.execute(
            f"create temp type {name}_of_entries as enum (select distinct {name} from entries order by 1)"
        )
    numbers = ", ".join(f"{name}::{name}_of_entries as {name}" for name in _FEW_VALUES)
    numbered = (HERE / "numbered_entries.sql").read_text(encoding="utf-8")
    session.create("numbered_entries", f"select * replace ({numbers}) from ({numbered})")
    session.view("new_entry_lines", (HERE / "new_entry_lines.sql").read_text(encoding="utf-8"))
