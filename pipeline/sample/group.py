"""The group: its reference tables, and what the movements look up in them.

Employees come in blocks of sixty, each cut up among the legal entities in the same way; a larger scale is more blocks.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from pipeline.sample.columns import as_day, day_number, numbered
from pipeline.sample.given import choices, given, given_rows, look_up
from pipeline.sample.ibans import iban_and_bic
from schemas.currencies import MINOR_UNITS

if TYPE_CHECKING:
    from pipeline.sample.draws import Draws

BLOCK = 60
DEPARTMENTS = ("Direction", "Conseil", "Ingénierie", "Ventes", "Finance", "RH")
_DEPARTMENT_CENTERS = ("CC10", "CC20", "CC30", "CC40", "CC50", "CC60")
_TOKYO_CENTER = "CC70"
_CENTER_UNITS = ("SUP", "CON", "ING", "CON", "SUP", "SUP")
_TOKYO_UNIT = "ASI"

#: how many of a block's sixty each legal entity employs, in the order of legal_entities.csv
_HEADCOUNT = (20, 14, 8, 8, 6, 4)
#: each place of a block: C consulting, E engineering, S sales, F finance, H people; D the head of an entity
_PLACES = "DCCSCCSECFCHCSCECSCFEEEECESEEFEEHEDCSCCEFCCEECSFECDCCSCECSCE"
_DEPARTMENT_OF = {"D": 0, "C": 1, "E": 2, "S": 3, "F": 4, "H": 5}

#: places of a block whose bank account is not of their country, or not known
_MISSING_IBANS = (18, 49)
_FOREIGN_IBANS = {31: "TN", 40: "FR", 53: "FR"}
#: in a SEPA entity and cannot be paid: they take no part in what others' entities bear
_UNPAYABLE = (18, 31)

#: the place of a block that moves to another legal entity, when and where to
MOVER, MOVED_ON, MOVED_TO = 16, date(2026, 2, 15), "BE01"
#: the one who is hired during the sample, in its first block alone
HIRE, HIRED_ON = 59, date(2026, 2, 1)
#: legal entity → the one that its employees also travel for
_ALSO_FOR = {"FR01": "BE01", "FR02": "FR01", "BE01": "FR01", "CH01": "FR01", "JP01": "CH01"}

_PROJECTS_PER_CLIENT = 3
_CLIENTS_PER_BLOCK = 8
#: a group has no more projects than this many blocks have
_MOST_BLOCKS_OF_PROJECTS = 100
SLOTS = 3

_OPEN, _OPEN_TOO, _CONSULTING, _ENGINEERING, _FR01, _FR02, _NAMED, _FROM_FEBRUARY, _UNTIL_JANUARY = range(9)
#: each project in turn: who may use it, and when
_TURNS = (
    *(_OPEN, _OPEN, _OPEN, _OPEN_TOO, _OPEN_TOO, _CONSULTING, _ENGINEERING),
    *(_FR01, _FR02, _NAMED, _FROM_FEBRUARY, _UNTIL_JANUARY),
)
_EURO_CLIENT = 7  # of eight clients, the one kept for the legal entities in the euro area


def _plain(text: str) -> str:
    """A name in the letters A to Z alone."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())


@dataclass(frozen=True)
class Group:
    """A group of `scale` blocks of employees."""

    draws: Draws
    scale: int

    @property
    def size(self) -> int:
        """How many employees it has."""
        return BLOCK * self.scale

    @cached_property
    def entities(self) -> pl.DataFrame:
        """The legal entities, a row each, with their currency's and country's number."""
        currencies, countries = given("currencies"), given("countries")
        return given("reference/legal_entities").select(
            "legal_entity",
            "country",
            "currency",
            currency_number=pl.col("currency").replace_strict(
                currencies["currency"].to_list(), list(range(currencies.height)), return_dtype=pl.Int64
            ),
            country_number=pl.col("country").replace_strict(
                countries["country"].to_list(), list(range(countries.height)), return_dtype=pl.Int64
            ),
        )

    @cached_property
    def currencies(self) -> pl.DataFrame:
        """The currencies: code, digits, rate to the euro in hundred-millionths, price level in percent."""
        return given("currencies").select(
            "currency",
            digits=pl.col("currency").replace_strict(MINOR_UNITS, return_dtype=pl.Int64),
            unit=(10 ** pl.col("currency").replace_strict(MINOR_UNITS, return_dtype=pl.Int64)).cast(pl.Int64),
            rate_e8=pl.col("euro_rate").str.replace(".", "", literal=True).cast(pl.Int64),
            level=pl.col("price_level_percent").cast(pl.Int64),
        )

    def entity_number(self, legal_entity: str) -> int:
        """The number of a legal entity."""
        return self.entities["legal_entity"].to_list().index(legal_entity)

    # ------------------------------------------------------------------------------------------------- employees

    @cached_property
    def people(self) -> pl.DataFrame:
        """A row an employee, by number: code, legal entity, department, whom else they travel for (-1: nobody)."""
        codes = self.entities["legal_entity"].to_list()
        homes = [entity for entity, heads in enumerate(_HEADCOUNT) for _ in range(heads)]
        also = [
            -1 if place in _UNPAYABLE or codes[home] not in _ALSO_FOR else codes.index(_ALSO_FOR[codes[home]])
            for place, home in enumerate(homes)
        ]
        place = pl.col("number") % BLOCK
        return pl.select(number=pl.int_range(self.size, dtype=pl.Int64)).select(
            "number",
            employee=numbered("E", pl.col("number") + 1, 5),
            entity=look_up(pl.Series(homes, dtype=pl.Int64), place),
            department=look_up(pl.Series([_DEPARTMENT_OF[letter] for letter in _PLACES], dtype=pl.Int64), place),
            also_for=look_up(pl.Series(also, dtype=pl.Int64), place),
        )

    @cached_property
    def employees(self) -> pl.DataFrame:
        """The table employees."""
        countries = [
            country for country, heads in zip(self.entities["country"], _HEADCOUNT, strict=True) for _ in range(heads)
        ]
        parts = [self._people_of(country, countries) for country in dict.fromkeys(countries)]
        return pl.concat(parts).sort("number").drop("number")

    def _people_of(self, country: str, countries: list[str]) -> pl.DataFrame:
        """The employees of a country's legal entities, with names that are at home there."""
        places = [place for place, of in enumerate(countries) if of == country]
        first_names = choices("names", "country", "first_names")[country]
        last_names = choices("names", "country", "last_names")[country]
        rank = pl.Series([places.index(place) if place in places else 0 for place in range(BLOCK)], dtype=pl.Int64)
        nth = pl.col("number") // BLOCK * len(places) + look_up(rank, pl.col("number") % BLOCK)
        first = (nth * 7 + self.draws.number_below(len(first_names), "first name", ord(country[0]))) % len(first_names)
        last = nth * 3 + nth // len(first_names)
        last = (last + self.draws.number_below(len(last_names), "last name", ord(country[0]))) % len(last_names)
        block = pl.col("number") // BLOCK
        namesake = pl.when(block > 0).then((block + 1).cast(pl.String)).otherwise(pl.lit(""))
        iban, bic = self._ibans(country)
        return (
            self.people.filter((pl.col("number") % BLOCK).is_in(places))
            .with_columns(
                first_name=look_up(pl.Series(first_names), first),
                last_name=look_up(pl.Series(last_names), last),
                plain_first=look_up(pl.Series([_plain(name) for name in first_names]), first),
                plain_last=look_up(pl.Series([_plain(name) for name in last_names]), last),
                iban=iban,
                bic=bic,
            )
            .select(
                "number",
                "employee",
                name=pl.col("first_name") + " " + pl.col("last_name"),
                first_name="first_name",
                last_name="last_name",
                # The French accountants name their auxiliary accounts after people, the others take the code.
                auxiliary=pl.col("plain_last").str.to_uppercase().str.slice(0, 8) + pl.col("employee").str.slice(1)
                if country == "FR"
                else pl.lit(None, dtype=pl.String),
                department=look_up(pl.Series(DEPARTMENTS), pl.col("department")),
                iban="iban",
                bic="bic",
                email=(pl.col("plain_first") + "." + pl.col("plain_last")).str.to_lowercase()
                + namesake
                + "@meridia.example",
            )
        )

    def _ibans(self, country: str) -> tuple[pl.Expr, pl.Expr]:
        place, nothing = pl.col("number") % BLOCK, pl.lit(None, dtype=pl.String)
        if country == "JP":
            return nothing, nothing
        iban, bic = iban_and_bic(self.draws, country, pl.col("number"))
        for foreign_place, foreign in _FOREIGN_IBANS.items():
            foreign_iban, foreign_bic = iban_and_bic(self.draws, foreign, pl.col("number"))
            iban = pl.when(place == foreign_place).then(foreign_iban).otherwise(iban)
            bic = pl.when(place == foreign_place).then(foreign_bic).otherwise(bic)
        missing = place.is_in(_MISSING_IBANS)
        return pl.when(missing).then(nothing).otherwise(iban), pl.when(missing).then(nothing).otherwise(bic)

    @cached_property
    def affiliations(self) -> pl.DataFrame:
        """The table affiliations."""
        since = as_day(day_number(date(2019, 1, 1)) + self.draws.below(6 * 365, "affiliation", pl.col("number")))
        first = self.people.select(
            "employee",
            legal_entity=look_up(self.entities["legal_entity"], pl.col("entity")),
            valid_from=pl.when(pl.col("number") == HIRE).then(pl.lit(HIRED_ON)).otherwise(since),
        )
        moved = self.people.filter(pl.col("number") % BLOCK == MOVER).select(
            "employee", legal_entity=pl.lit(MOVED_TO), valid_from=pl.lit(MOVED_ON)
        )
        return pl.concat([first, moved]).sort("employee", "valid_from")

    def entity_on(self, employee: pl.Expr, day: pl.Expr) -> pl.Expr:
        """The number of the legal entity that an employee belongs to on a day."""
        return (
            pl.when((employee % BLOCK == MOVER) & (day >= MOVED_ON))
            .then(self.entity_number(MOVED_TO))
            .otherwise(look_up(self.people["entity"], employee))
        )

    # ---------------------------------------------------------------------------------------------- sections, rights

    @cached_property
    def projects(self) -> pl.DataFrame:
        """A row a project: section, client, whom it is for (-1: for all), when it is active."""
        blocks = min(self.scale, _MOST_BLOCKS_OF_PROJECTS)
        count = blocks * _CLIENTS_PER_BLOCK * _PROJECTS_PER_CLIENT
        number, turn = pl.col("number"), pl.col("turn")
        names, clients = given("projects")["name"], self.clients
        return (
            pl.select(number=pl.int_range(count, dtype=pl.Int64))
            .with_columns(
                turn=look_up(pl.Series(_TURNS, dtype=pl.Int64), number % len(_TURNS)),
                client=number // _PROJECTS_PER_CLIENT,
            )
            .select(
                "number",
                section=numbered("P", number + 1, 3),
                name=look_up(names, number % names.len()) + " - " + look_up(clients["name"], pl.col("client")),
                client=look_up(clients["section"], pl.col("client")),
                owner=look_up(self.people["employee"], self.draws.below(self.size, "project owner", number)),
                for_department=pl.when(turn == _CONSULTING).then(1).when(turn == _ENGINEERING).then(2).otherwise(-1),
                for_entity=pl.when(turn == _FR01)
                .then(self.entity_number("FR01"))
                .when(turn == _FR02)
                .then(self.entity_number("FR02"))
                .otherwise(-1),
                is_named=turn == _NAMED,
                is_euro=look_up(clients["is_euro"], pl.col("client")),
                active_from=pl.when(turn == _FROM_FEBRUARY).then(pl.lit(date(2026, 2, 1))),
                active_to=pl.when(turn == _UNTIL_JANUARY).then(pl.lit(date(2026, 1, 31))),
            )
        )

    @cached_property
    def clients(self) -> pl.DataFrame:
        """A row a client: section, name, and whether it is kept for the legal entities in the euro area."""
        names = given("clients")["name"]
        count = min(self.scale, _MOST_BLOCKS_OF_PROJECTS) * _CLIENTS_PER_BLOCK
        number = pl.col("number")
        again = number // names.len() + 1
        return pl.select(number=pl.int_range(count, dtype=pl.Int64)).select(
            section=numbered("C", number + 1, 3),
            name=look_up(names, number % names.len())
            + pl.when(again > 1).then(pl.lit(" ") + again.cast(pl.String)).otherwise(pl.lit("")),
            is_euro=number % _CLIENTS_PER_BLOCK == _EURO_CLIENT,
        )

    @cached_property
    def euro_entities(self) -> pl.Series:
        """Of each legal entity, whether it is in the euro area."""
        return self.entities["currency"] == "EUR"

    def slot(self, employee: pl.Expr, slot: pl.Expr) -> pl.Expr:
        """The number of a project that an employee works on."""
        return self.draws.below(self.projects.height, "project", employee, slot)

    def may_use(self, project: pl.Expr, employee: pl.Expr, entity: pl.Expr, day: pl.Expr) -> pl.Expr:
        """Whether a project of the employee's may bear an expense of that entity and day."""
        for_entity, for_department = (
            look_up(self.projects[name], project) for name in ("for_entity", "for_department")
        )
        active_from, active_to = (look_up(self.projects[name], project) for name in ("active_from", "active_to"))
        return (
            ((for_entity == -1) | (for_entity == entity))
            & ((for_department == -1) | (for_department == look_up(self.people["department"], employee)))
            & (~look_up(self.projects["is_euro"], project) | look_up(self.euro_entities, entity))
            & (active_from <= day).fill_null(value=True)
            & (active_to >= day).fill_null(value=True)
        )

    def center(self, employee: pl.Expr, entity: pl.Expr) -> pl.Expr:
        """The cost centre of an employee's expense: the department's, in Tokyo the office's."""
        return self._center_or_unit(_DEPARTMENT_CENTERS, _TOKYO_CENTER, employee, entity)

    def unit(self, employee: pl.Expr, entity: pl.Expr) -> pl.Expr:
        """The business unit above that cost centre."""
        return self._center_or_unit(_CENTER_UNITS, _TOKYO_UNIT, employee, entity)

    def _center_or_unit(self, names: tuple[str, ...], tokyo: str, employee: pl.Expr, entity: pl.Expr) -> pl.Expr:
        department = look_up(self.people["department"], employee)
        return (
            pl.when(entity == self.entity_number("JP01"))
            .then(pl.lit(tokyo))
            .otherwise(look_up(pl.Series(names), department))
        )

    @cached_property
    def sections(self) -> pl.DataFrame:
        """The table sections."""
        nothing, never = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.Date)
        clients = self.clients.select(
            axis=pl.lit("client"),
            section="section",
            name="name",
            parent_section=nothing,
            active_from=never,
            active_to=never,
            owner=nothing,
        )
        projects = self.projects.select(
            axis=pl.lit("project"),
            section="section",
            name="name",
            parent_section="client",
            active_from="active_from",
            active_to="active_to",
            owner="owner",
        )
        return pl.concat([clients, projects])

    @cached_property
    def section_rights(self) -> pl.DataFrame:
        """The table section_rights."""
        nothing = pl.lit(None, dtype=pl.String)
        codes = self.entities["legal_entity"]
        on_slots = pl.concat(
            [
                self.people.select("employee", number=self.slot(pl.col("number"), pl.lit(slot, dtype=pl.Int64)))
                for slot in range(SLOTS)
            ]
        ).unique()
        named = on_slots.join(self.projects.filter("is_named"), on="number").select(
            axis=pl.lit("project"), section="section", employee="employee", department=nothing, legal_entity=nothing
        )
        departments = self.projects.filter(pl.col("for_department") >= 0).select(
            axis=pl.lit("project"),
            section="section",
            employee=nothing,
            department=look_up(pl.Series(DEPARTMENTS), pl.col("for_department")),
            legal_entity=nothing,
        )
        entities = self.projects.filter(pl.col("for_entity") >= 0).select(
            axis=pl.lit("project"),
            section="section",
            employee=nothing,
            department=nothing,
            legal_entity=look_up(codes, pl.col("for_entity")),
        )
        euro = self.clients.filter("is_euro").join(
            pl.DataFrame({"legal_entity": codes.filter(self.euro_entities)}), how="cross"
        )
        clients = euro.select(
            axis=pl.lit("client"), section="section", employee=nothing, department=nothing, legal_entity="legal_entity"
        )
        return pl.concat([named, departments, entities, clients]).sort(pl.all())

    def reference(self) -> dict[str, pl.DataFrame]:
        """Every reference table: what is given, then what is made."""
        tables = dict(given_rows("reference"))
        made = {
            "employees": self.employees,
            "affiliations": self.affiliations,
            "sections": self.sections,
            "section_rights": self.section_rights,
        }
        for name, frame in made.items():
            text = frame.select(pl.all().cast(pl.String))
            tables[name] = pl.concat([tables[name], text]) if name in tables else text
        return tables
