"""The reference tables of spec §2: a full snapshot, read at each run."""

from __future__ import annotations

from datetime import date

from schemas.table import Form, Table, field
from schemas.terms import Approval, Counterpart, Journal, PaymentMode, Rate, Role

#: a language, as ISO 639 writes it in two or three letters
LANGUAGE = r"^[a-z]{2,3}$"


class LegalEntities(Table, key=("legal_entity",)):
    """A row a legal entity; each keeps books of its own."""

    legal_entity: str = field("its code")
    name: str = field("its name")
    country: str = field("ISO 3166 code of its country")
    currency: str = field("ISO 4217 code of the currency of its books")
    siren: str = field("French company number, which a FEC is named after", required=False)
    fiscal_year_start: str = field("first day of its fiscal year, MM-DD", required=False, form=Form.MONTH_DAY)
    closed_through: date = field("last day that is closed; entries are dated after it", required=False)
    payment_mode: str = field("how employees are paid", values=PaymentMode)
    approval: str = field("whether only approved reports are paid and exported", values=Approval)
    iban: str = field("the account it pays from", required=False)
    bic: str = field("that account's bank", required=False)


class Journals(Table, key=("legal_entity", "journal")):
    """A row a journal of a legal entity, or of all."""

    legal_entity: str = field("the legal entity, or `*`")
    journal: str = field("what is posted in it", values=Journal)
    code: str = field("its code in the accounting package; journals may share one")
    label: str = field("its label")


class Employees(Table, key=("employee",)):
    """A row an employee."""

    employee: str = field("their code")
    name: str = field("their name")
    first_name: str = field("their first name", required=False)
    last_name: str = field("their last name", required=False)
    auxiliary: str = field("their auxiliary account; empty is their code", required=False)
    department: str = field("their department, which section rights may name", required=False)
    iban: str = field("the account they are paid on", required=False)
    bic: str = field("that account's bank", required=False)
    email: str = field("their address", required=False)


class Affiliations(Table, key=("employee", "valid_from")):
    """A row a day from which an employee belongs to a legal entity."""

    employee: str = field("the employee")
    legal_entity: str = field("their legal entity")
    valid_from: date = field("from this day on, until the next")


class ChartOfAccounts(Table, key=("legal_entity", "role", "key", "employee")):
    """A row an account for a role; among rows that match, the one that names most counts (spec §4)."""

    legal_entity: str = field("the legal entity, or `*`")
    role: str = field("what the account is for", values=Role)
    key: str = field("expense type, VAT code, payment method, compensation …, or `*`")
    employee: str = field("the employee, or `*`")
    account: str = field("general account, a template over {employee}, {auxiliary}, {legal_entity}, {key}")
    auxiliary: str = field("auxiliary account, a template likewise", required=False)
    label: str = field("the account's label", required=False)


class VatCodes(Table, key=("vat_code",)):
    """A row a VAT code."""

    vat_code: str = field("the code")
    rate: Rate = field("percent of the amount without VAT", ge=0)
    recoverable_percent: Rate = field("percent of the VAT that can be recovered", ge=0, le=100)


class PaymentMethods(Table, key=("legal_entity", "payment_method")):
    """A row a company method of payment."""

    legal_entity: str = field("the legal entity, or `*`")
    payment_method: str = field("the method, as expenses name it")
    counterpart: str = field("one compensation line a report, or one an expense", values=Counterpart)


class BankAccounts(Table, key=("legal_entity", "bank_account")):
    """A row an account that payments can be made from."""

    legal_entity: str = field("whose account it is")
    bank_account: str = field("its code")
    name: str = field("its name", required=False)
    iban: str = field("its IBAN", required=False)
    bic: str = field("its bank", required=False)


class Axes(Table, key=("axis",)):
    """A row an axis of analytical accounting."""

    axis: str = field("its code, which becomes the column `axis_<axis>`", str_matches=r"^[a-z][a-z0-9_]{0,29}$")
    name: str = field("its name")
    parent_axis: str = field("the axis above it", required=False)
    required: bool = field("whether every charge needs a section of it, while the axis is active")
    active_from: date = field("first day on which it can be required", required=False)
    active_to: date = field("last day on which it can be required", required=False)
    owner: str = field("the employee who answers for it", required=False)


class Sections(Table, key=("axis", "section")):
    """A row a section of an axis."""

    axis: str = field("the axis")
    section: str = field("its code")
    name: str = field("its name")
    parent_section: str = field("the section above it, on the parent axis", required=False)
    active_from: date = field("first day on which it can be used", required=False)
    active_to: date = field("last day on which it can be used", required=False)
    owner: str = field("the employee who answers for it", required=False)


class AxisNames(Table, key=("axis", "language")):
    """A row an axis's name in a language."""

    axis: str = field("the axis")
    language: str = field("ISO 639 code of the language, as `fr`", str_matches=LANGUAGE)
    name: str = field("its name in that language")


class SectionNames(Table, key=("axis", "section", "language")):
    """A row a section's name in a language."""

    axis: str = field("the axis")
    section: str = field("the section")
    language: str = field("ISO 639 code of the language, as `fr`", str_matches=LANGUAGE)
    name: str = field("its name in that language")


class SectionRights(Table, key=("axis", "section", "employee", "department", "legal_entity", "valid_from")):
    """A row a right to a section; a section with rows is for those alone, and so are those below it without any.

    A right that has ended, or is to come, counts as a row all the same: its section is for nobody meanwhile.
    """

    axis: str = field("the axis")
    section: str = field("the section")
    employee: str = field("an employee who may use it", required=False)
    department: str = field("a department that may use it", required=False)
    legal_entity: str = field("a legal entity that may use it", required=False)
    valid_from: date = field("first day of an expense that may use it", required=False)
    valid_to: date = field("last day of an expense that may use it", required=False)
