"""What a format may name: the columns of a line, of a payment, and of the file itself."""

from __future__ import annotations

from pipeline.exports.expressions import Column, Type

#: the columns of export_lines.sql; an `axis_<axis>` is a text besides
LINES: dict[str, Column] = {
    "legal_entity": Column(Type.TEXT, "code of the legal entity"),
    "entity_name": Column(Type.TEXT, "its name"),
    "siren": Column(Type.TEXT, "its SIREN"),
    "country": Column(Type.TEXT, "its country"),
    "journal": Column(Type.TEXT, "expense_report, company_paid, payment, advance or advance_imputation"),
    "journal_code": Column(Type.TEXT, "code of the journal"),
    "journal_label": Column(Type.TEXT, "label of the journal, else its code"),
    "fiscal_year": Column(Type.NUMBER, "calendar year in which the fiscal year ends"),
    "entry_number": Column(Type.NUMBER, "1, 2, 3… per journal code and fiscal year"),
    "line_number": Column(Type.NUMBER, "1, 2, 3… within the entry"),
    "entry_date": Column(Type.DATE, "posting date"),
    "document_kind": Column(Type.TEXT, "expense_report, advance or payment_order"),
    "document": Column(Type.TEXT, "the report, advance or payment order"),
    "version": Column(Type.NUMBER, "its version"),
    "document_date": Column(Type.DATE, "its event date"),
    "reversal": Column(Type.BOOLEAN, "whether the entry is a contra-entry"),
    "reverses": Column(Type.NUMBER, "number of the entry contra-passed"),
    "employee": Column(Type.TEXT, "code of the employee"),
    "employee_name": Column(Type.TEXT, "the employee's name, else the code"),
    "role": Column(Type.TEXT, "what the account is for: charge, vat, employee, …"),
    "account": Column(Type.TEXT, "general account"),
    "account_label": Column(Type.TEXT, "its label in the chart, else the account"),
    "auxiliary": Column(Type.TEXT, "auxiliary account"),
    "auxiliary_label": Column(Type.TEXT, "the employee's name, else the chart's label; empty without auxiliary"),
    "posting_account": Column(Type.TEXT, "the auxiliary account on third-party lines, else the general account"),
    "third_party": Column(
        Type.BOOLEAN, "whether the line is a third party's: it has an auxiliary, and is no charge or VAT"
    ),
    "label": Column(Type.TEXT, "label of the line, or what the profile makes of it"),
    "side": Column(Type.TEXT, "D or C; with nominal_side the side that the rule names"),
    "debit": Column(Type.AMOUNT, "debit, 0 on a credit line", "currency_digits"),
    "credit": Column(Type.AMOUNT, "credit, 0 on a debit line", "currency_digits"),
    "amount": Column(Type.AMOUNT, "debit less credit", "currency_digits"),
    "side_amount": Column(Type.AMOUNT, "the amount on its side: below 0 with nominal_side alone", "currency_digits"),
    "currency": Column(Type.TEXT, "currency of the books"),
    "foreign_currency": Column(Type.TEXT, "currency of the expense where it is another"),
    "foreign_amount": Column(Type.AMOUNT, "amount in it, debit positive", "foreign_digits"),
    "expense": Column(Type.TEXT, "the expense that the line bears"),
    "expense_type": Column(Type.TEXT, "its type"),
    "vat_code": Column(Type.TEXT, "VAT code, on VAT lines"),
    **{
        name: Column(Type.TEXT, meaning)
        for number, which in enumerate(("first", "second", "third"), start=1)
        for name, meaning in (
            (f"section_{number}", f"code of its section on the {which} axis (of the profile's `axes`, else by name)"),
            (f"section_{number}_label", "its label in the reference, else its code"),
        )
    },
    "lettering": Column(Type.TEXT, "the lettering of the line, as of the export"),
    "lettered_on": Column(Type.DATE, "its day"),
    "due_on": Column(Type.DATE, "when it is due, as the profile's `due` says; empty without"),
    "fiscal_year_start": Column(Type.DATE, "first day of the fiscal year"),
    "fiscal_year_end": Column(Type.DATE, "its last day"),
    "fiscal_period": Column(Type.NUMBER, "1 to 12, the month of the fiscal year"),
    "validated_on": Column(Type.DATE, "closed_through where the line is closed, else the day of the export"),
    "exported_on": Column(Type.DATE, "the day of the export"),
    "run": Column(Type.NUMBER, "the run that posted the line"),
}

#: the columns of order_payments.sql
PAYMENTS: dict[str, Column] = {
    "payment_order": Column(Type.TEXT, "the order"),
    "legal_entity": Column(Type.TEXT, "code of the legal entity that pays"),
    "entity_name": Column(Type.TEXT, "its name"),
    "employee": Column(Type.TEXT, "code of the employee who is paid"),
    "employee_name": Column(Type.TEXT, "the employee's name"),
    "iban": Column(Type.TEXT, "the employee's account"),
    "bic": Column(Type.TEXT, "its bank"),
    "amount": Column(Type.AMOUNT, "the amount", "currency_digits"),
    "currency": Column(Type.TEXT, "currency of the books"),
    "paid_on": Column(Type.DATE, "the order's event date"),
    "entry_date": Column(Type.DATE, "posting date of the payment's entry"),
    "journal_code": Column(Type.TEXT, "journal code of that entry"),
    "fiscal_year": Column(Type.NUMBER, "its fiscal year"),
    "entry_number": Column(Type.NUMBER, "its number"),
    "end_to_end_id": Column(Type.TEXT, "what the bank knows the payment by"),
}

#: what the name of a file and the lines at its top may say
FILES: dict[str, Column] = {
    "legal_entity": Column(Type.TEXT, "code of the legal entity"),
    "entity_name": Column(Type.TEXT, "its name"),
    "siren": Column(Type.TEXT, "its SIREN, 9 digits"),
    "currency": Column(Type.TEXT, "currency of its books"),
    "profile": Column(Type.TEXT, "name of the profile"),
    "format": Column(Type.TEXT, "name of the format"),
    "payment_order": Column(Type.TEXT, "the order, in the file of one"),
    "first_on": Column(Type.DATE, "first day of the period, else of what the file holds"),
    "last_on": Column(Type.DATE, "last day of the period, else of what the file holds"),
    "exported_on": Column(Type.DATE, "the day of the export"),
    "fiscal_year": Column(Type.NUMBER, "fiscal year of the file's last line"),
    "fiscal_year_start": Column(Type.DATE, "first day of that fiscal year"),
    "fiscal_year_end": Column(Type.DATE, "closing date of that fiscal year"),
    "export_number": Column(Type.NUMBER, "number of the export"),
    "journal_code": Column(Type.TEXT, "code of the journal, where the file holds one"),
    "part": Column(Type.NUMBER, "1, 2, 3… of the files of the export"),
}

#: what lines are merged by: a profile's codes for them come before that; `axis_<axis>` is one of them too
CODED_FIRST = frozenset({"account", "auxiliary", "vat_code"})

#: what lines are counted by, within what is written
DERIVED: dict[str, Column] = {
    "line_in_entry": Column(Type.NUMBER, "1, 2, 3… of the lines written of the entry"),
    "entry_lines": Column(Type.NUMBER, "how many lines are written of the entry"),
    "entry_label": Column(Type.TEXT, "label of the first of its lines in the ledger, whatever the profile's labels"),
    "entry_account": Column(Type.TEXT, "account of the first of its lines as they are written"),
    "entry_last_account": Column(Type.TEXT, "account of the last of them"),
    "entry_debit": Column(Type.AMOUNT, "sum of their debits", "currency_digits"),
    "entry_credit": Column(Type.AMOUNT, "sum of their credits", "currency_digits"),
    "line_in_file": Column(Type.NUMBER, "1, 2, 3… of the lines of the file"),
    "entry_in_file": Column(Type.NUMBER, "1, 2, 3… of the entries of the file"),
    "journal_lines": Column(Type.NUMBER, "at the end of a journal: its lines"),
    "journal_debit": Column(Type.AMOUNT, "at the end of a journal: sum of its debits", "currency_digits"),
    "journal_credit": Column(Type.AMOUNT, "at the end of a journal: sum of its credits", "currency_digits"),
    "counterpart_account": Column(Type.TEXT, "account that the line is booked against; empty where there are several"),
    "counterpart_auxiliary": Column(Type.TEXT, "its auxiliary account"),
    "charge_vat": Column(Type.AMOUNT, "on a charge: its expense's VAT, or its share, on its side", "currency_digits"),
    "charge_gross": Column(Type.AMOUNT, "on a charge: its side_amount and charge_vat together", "currency_digits"),
    "charge_vat_code": Column(Type.TEXT, "on a charge: the code of that VAT; several with + between them"),
    "rounding": Column(Type.AMOUNT, "what rounding has added, debit positive", "currency_digits"),
}

#: those of them that are accounts, and follow a profile's codes of accounts
ENTRY_ACCOUNTS = ("entry_account", "entry_last_account")

#: those of them that tell the VAT of a charge
CHARGE_VAT = frozenset({"charge_vat", "charge_gross", "charge_vat_code"})

COUNTERPART = "counterpart_"
#: those that tell what a line is booked against
COUNTERPARTS = frozenset({"counterpart_account", "counterpart_auxiliary"})

#: what a record per section may name besides
SECTIONS: dict[str, Column] = {
    "axis": Column(Type.TEXT, "name of the axis"),
    "axis_number": Column(Type.NUMBER, "1, 2, 3… of the axes in alphabetical order"),
    "section": Column(Type.TEXT, "code of the section"),
    "section_label": Column(Type.TEXT, "its label in the reference, else its code"),
    "section_amount": Column(Type.AMOUNT, "its share of the line's side_amount", "currency_digits"),
    "section_debit": Column(Type.AMOUNT, "its share of the debit", "currency_digits"),
    "section_credit": Column(Type.AMOUNT, "its share of the credit", "currency_digits"),
    "section_percent": Column(Type.AMOUNT, "its share in percent, 4 decimals", "currency_digits"),
    "section_in_line": Column(Type.NUMBER, "1, 2, 3… of the sections of the line on the axis"),
}

#: what a record per file may name besides
FILE_TOTALS: dict[str, Column] = {
    "file_lines": Column(Type.NUMBER, "lines of the file"),
    "file_entries": Column(Type.NUMBER, "entries of the file"),
    "file_debit": Column(Type.AMOUNT, "sum of its debits", "currency_digits"),
    "file_credit": Column(Type.AMOUNT, "sum of its credits", "currency_digits"),
}

#: what a record per account may name
ACCOUNT = (
    "account",
    "account_label",
    "auxiliary",
    "auxiliary_label",
    "posting_account",
    "third_party",
    "role",
    "employee",
    "employee_name",
    "fiscal_year_start",
)
#: those of them that the ledger has, with the currency: what tells two accounts apart
ACCOUNT_COLUMNS = tuple(name for name in ACCOUNT if name != "posting_account")
CONTRA = "contra_"
#: the columns that a row of a pair has of its other line, as contra_<column>
CONTRA_OF = (
    "account",
    "auxiliary",
    "posting_account",
    "account_label",
    "auxiliary_label",
    "role",
    "third_party",
    "employee",
    "employee_name",
)
#: columns that are the same on all lines of an entry, or put lines of one entry in order
OF_ENTRIES = frozenset(
    {
        "legal_entity",
        "journal",
        "journal_code",
        "fiscal_year",
        "entry_number",
        "entry_date",
        "document_kind",
        "document",
        "document_date",
        "employee",
        "validated_on",
        "run",
        "third_party",
        "line_number",
    }
)


def contra_columns() -> dict[str, Column]:
    """The columns of the other line of a pair."""
    return {f"{CONTRA}{name}": LINES[name] for name in CONTRA_OF}


#: what names a row in a message, and puts rows of equal order in one order
KEYS = {
    "lines": ("legal_entity", "journal_code", "fiscal_year", "entry_number", "line_number"),
    "payments": ("payment_order", "employee"),
}
AXIS = "axis_"
#: in `from`: a field for each axis that the ledger has
EVERY_AXIS = "axis_*"


def axis_column() -> Column:
    """The column of a section."""
    return Column(Type.TEXT, "section of the line on the axis")
