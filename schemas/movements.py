"""The movement tables of spec §2: what is new or changed. Staged, they are typed as here; rows that are not, wait."""

from __future__ import annotations

from datetime import date

from schemas.table import Table, field
from schemas.terms import Activity, AdvanceKind, Amount, ExchangeRate, Integer, Movement, Percent, ReportStatus


class ExpenseReports(Table, key=("report", "version")):
    """A row a version of an expense report; a version restates its report whole."""

    report: str = field("the report's id")
    version: Integer = field("counts from 1; the highest counts", ge=1)
    employee: str = field("who declares it")
    status: str = field("how far it is; a draft is not posted", values=ReportStatus)
    declared_on: date = field("the event date of the first version")
    modified_on: date = field("the event date of a later version", required=False)
    label: str = field("label of the lines that bear no expense", required=False)


class Expenses(Table, key=("report", "version", "expense")):
    """A row an expense of a report's version."""

    report: str = field("the report's id")
    version: Integer = field("the report's version", ge=1)
    expense: str = field("the expense's id within the report")
    legal_entity: str = field("who bears it; else the employee's affiliation on incurred_on", required=False)
    incurred_on: date = field("the day of the expense")
    expense_type: str = field("key of its charge account")
    payment_method: str = field("`personal`, or the company method that paid it")
    currency: str = field("ISO 4217 code of gross and of its VAT amounts")
    exchange_rate: ExchangeRate = field(
        "entity currency for one unit of the expense's; empty where they are one", required=False
    )
    gross: Amount = field("amount with VAT, in the expense's currency; negative is a refund")
    label: str = field("label of its charge and VAT lines", required=False)


class ExpenseTaxes(Table, key=("report", "version", "expense", "vat_code")):
    """A row a VAT code of an expense."""

    report: str = field("the report's id")
    version: Integer = field("the report's version", ge=1)
    expense: str = field("the expense's id")
    vat_code: str = field("the VAT code")
    taxed_gross: Amount = field(
        "the part of the gross under this code, with VAT; a sole code's is the gross", required=False
    )
    vat_amount: Amount = field("the VAT itself, where the receipt gives it", required=False)


class Allocations(Table, key=("report", "version", "expense", "split", "axis")):
    """A row a section of a split of an expense's charge."""

    report: str = field("the report's id")
    version: Integer = field("the report's version", ge=1)
    expense: str = field("the expense's id")
    split: Integer = field("number of the split, from 1", ge=1)
    percent: Percent = field("the split's share of the charge, the same in all its rows", gt=0)
    axis: str = field("the axis")
    section: str = field("the section of the axis that bears the split")


class Advances(Table, key=("advance", "version")):
    """A row a version of an advance: money granted to an employee or handed back."""

    advance: str = field("the advance's id")
    version: Integer = field("counts from 1; the highest counts", ge=1)
    employee: str = field("who has it")
    legal_entity: str = field("whose money it is")
    status: str = field("active, or cancelled", values=Activity)
    kind: str = field("one_time is imputed on reports, regular is not, third_party pays in a debit", values=AdvanceKind)
    movement: str = field("granted or handed back", values=Movement)
    occurred_on: date = field("the event date of the first version")
    modified_on: date = field("the event date of a later version", required=False)
    amount: Amount = field("in the legal entity's currency, above 0")
    compensation: str = field("key of the other side's account: cash, bank, card")
    label: str = field("label of its lines", required=False)


class PaymentOrders(Table, key=("payment_order", "version")):
    """A row a version of an order to pay the employees of a legal entity."""

    payment_order: str = field("the order's id")
    version: Integer = field("counts from 1; the highest counts", ge=1)
    legal_entity: str = field("who pays")
    status: str = field("active, or cancelled", values=Activity)
    created_on: date = field("the event date of the first version")
    cutoff_on: date = field("the last posting date that it pays, not after created_on")
    modified_on: date = field("the event date of a later version", required=False)
    bank_account: str = field("the account it is paid from, else the legal entity's", required=False)


class PaymentExclusions(Table, key=("payment_order", "report", "employee")):
    """A row a report or an employee that an order leaves out."""

    payment_order: str = field("the order's id")
    report: str = field("the report left out", required=False)
    employee: str = field("the employee left out", required=False)


class PaymentReturns(Table, key=("payment_order", "employee")):
    """A row a payment that the bank sent back."""

    payment_order: str = field("the order that made the payment")
    employee: str = field("whom it was made to")
    returned_on: date = field("the day on which the bank returned it")
    reason: str = field("the bank's reason", required=False)
