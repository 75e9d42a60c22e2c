"""The words that columns are made of: types with their unit, and the values that a column may take."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

#: A whole number of 32 bits, and of 64.
Integer = Annotated[int, 32]
BigInt = Annotated[int, 64]
#: An amount of money in whole units of its currency; four decimals are the most that ISO 4217 has (spec §1).
Amount = Annotated[Decimal, 18, 4]
#: Units of the legal entity's currency for one unit of the expense's (spec §2).
ExchangeRate = Annotated[Decimal, 18, 8]
#: Percent with three decimals: VAT rates and what of them is recoverable.
Rate = Annotated[Decimal, 6, 3]
#: Percent with four decimals: the share of a split.
Percent = Annotated[Decimal, 7, 4]
#: An instant in UTC.
Instant = Annotated[datetime, "us"]


class Journal(StrEnum):
    EXPENSE_REPORT = "expense_report"
    COMPANY_PAID = "company_paid"
    PAYMENT = "payment"
    ADVANCE = "advance"
    ADVANCE_IMPUTATION = "advance_imputation"


class Role(StrEnum):
    CHARGE = "charge"
    VAT = "vat"
    EMPLOYEE = "employee"
    ADVANCE_ONE_TIME = "advance_one_time"
    ADVANCE_REGULAR = "advance_regular"
    COMPANY_PAID = "company_paid"
    ADVANCE_COMPENSATION = "advance_compensation"
    PAYMENT_COMPENSATION = "payment_compensation"


class DocumentKind(StrEnum):
    EXPENSE_REPORT = "expense_report"
    ADVANCE = "advance"
    PAYMENT_ORDER = "payment_order"


class ReportStatus(StrEnum):
    DRAFT = "draft"
    DECLARED = "declared"
    APPROVED = "approved"
    CANCELLED = "cancelled"


class Activity(StrEnum):
    ACTIVE = "active"
    CANCELLED = "cancelled"


class AdvanceKind(StrEnum):
    ONE_TIME = "one_time"
    REGULAR = "regular"
    THIRD_PARTY = "third_party"


class Movement(StrEnum):
    GRANT = "grant"
    REIMBURSEMENT = "reimbursement"


class PaymentMode(StrEnum):
    SEPA = "sepa"
    LIST = "list"
    AT_EXPORT = "at_export"


class Approval(StrEnum):
    NONE = "none"
    REQUIRED = "required"


class Counterpart(StrEnum):
    REPORT = "report"
    EXPENSE = "expense"


class Side(StrEnum):
    DEBIT = "D"
    CREDIT = "C"


class PaymentStatus(StrEnum):
    PAID = "paid"
    RETURNED = "returned"
    CANCELLED = "cancelled"


class DocumentState(StrEnum):
    POSTED = "posted"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"


class Rule(StrEnum):
    """The quarantine rules of spec §3, in its order."""

    MALFORMED_VALUE = "malformed_value"
    MISSING_VALUE = "missing_value"
    DUPLICATE_KEY = "duplicate_key"
    ORPHAN_ROW = "orphan_row"
    UNKNOWN_EMPLOYEE = "unknown_employee"
    UNKNOWN_LEGAL_ENTITY = "unknown_legal_entity"
    NO_AFFILIATION = "no_affiliation"
    UNKNOWN_VAT_CODE = "unknown_vat_code"
    NO_ACCOUNT = "no_account"
    NO_JOURNAL = "no_journal"
    UNKNOWN_CURRENCY = "unknown_currency"
    MISSING_RATE = "missing_rate"
    RATE_NOT_POSITIVE = "rate_not_positive"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    VAT_EXCEEDS_GROSS = "vat_exceeds_gross"
    MISSING_TAXED_GROSS = "missing_taxed_gross"
    ALLOCATION_NOT_100 = "allocation_not_100"
    AXIS_MISSING = "axis_missing"
    UNKNOWN_SECTION = "unknown_section"
    SECTION_INACTIVE = "section_inactive"
    SECTION_NOT_ALLOWED = "section_not_allowed"
    HIERARCHY_MISMATCH = "hierarchy_mismatch"
    EMPLOYEE_CHANGED = "employee_changed"
    LEGAL_ENTITY_CHANGED = "legal_entity_changed"
    VERSION_CONFLICT = "version_conflict"
    NO_EXPENSE = "no_expense"
    PAYMENT_MODULE_OFF = "payment_module_off"
    ORDER_ALREADY_PAID = "order_already_paid"
    UNKNOWN_PAYMENT = "unknown_payment"
    UNKNOWN_BANK_ACCOUNT = "unknown_bank_account"
    INVALID_IBAN = "invalid_iban"
