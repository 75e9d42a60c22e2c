"""The ledgers of the worked examples: the one of the French and European packages, and that of the international ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import Company, Tables, allocation, expense, report, rows, tax

if TYPE_CHECKING:
    from pathlib import Path


def french(directory: Path) -> Company:
    """Entry 7 of journal OD, of 15 March 2024: 421000 (DUPONTL) credit 120, 625700 debit 100, 445660 debit 20."""
    company = Company(directory, _french_reference())
    label = "NDF Léa Dupont 03/2024"
    earlier = [f"NDF202402-{number}" for number in range(1, 7)]
    company.run(
        on="2024-03-31",
        expense_reports=[
            *(report(name, employee="MARTINP", declared_on="2024-02-20", label="Février") for name in earlier),
            report("NDF202403-7", employee="DUPONTL", declared_on="2024-03-15", label=label),
        ],
        expenses=[
            *(expense(name, incurred_on="2024-02-10", expense_type="meal", label="Repas") for name in earlier),
            expense("NDF202403-7", incurred_on="2024-03-14", expense_type="meal", gross="120.00", label=label),
        ],
        expense_taxes=[tax(report="NDF202403-7")],
        allocations=[allocation(report="NDF202403-7", axis="cost_centre", section="COMMERCIAL")],
    )
    return company


def international(directory: Path) -> Company:
    """An entry of 31 March 2026: 625700 debit 100 on cost centre SALES, 445660 debit 20, 421000 (E0042) credit 120."""
    company = Company(directory, _international_reference())
    company.run(
        on="2026-03-31",
        expense_reports=[
            report("NDF-2026-0042", employee="E0042", declared_on="2026-03-31", label="Expenses March 2026")
        ],
        expenses=[
            expense(
                "NDF-2026-0042",
                incurred_on="2026-03-31",
                expense_type="meal",
                gross="120.00",
                label="Meal with client",
            )
        ],
        expense_taxes=[tax(report="NDF-2026-0042")],
        allocations=[allocation(report="NDF-2026-0042", axis="cost_centre", section="SALES")],
    )
    return company


LEDGERS = {"french": french, "international": international}


def _french_reference() -> Tables:
    return _reference("EXEMPLE SAS", {"DUPONTL": "Dupont Léa", "MARTINP": "Martin Paul"}, ("COMMERCIAL", "Commercial"))


def _international_reference() -> Tables:
    return _reference("Example", {"E0042": "Dupont Jeanne"}, ("SALES", "Sales"))


def _reference(entity: str, employees: dict[str, str], section: tuple[str, str]) -> Tables:
    """A company of one legal entity, its employees by code, and a section of the axis of cost centres."""
    affiliations = [{"employee": code, "legal_entity": "FR01", "valid_from": "2020-01-01"} for code in employees]
    return {
        "legal_entities": [
            {
                "legal_entity": "FR01",
                "name": entity,
                "country": "FR",
                "currency": "EUR",
                "siren": "732829320",
                "payment_mode": "sepa",
                "approval": "none",
                "iban": "FR7630006000011234567890189",
                "bic": "AGRIFRPP",
            }
        ],
        "journals": rows("""
            legal_entity journal            code label
            *            expense_report     OD   Opérations_diverses
            *            company_paid       OD   Opérations_diverses
            *            payment            BQ   Banque
            *            advance            OD   Opérations_diverses
            *            advance_imputation OD   Opérations_diverses
        """),
        "employees": [{"employee": code, "name": name, "auxiliary": code} for code, name in employees.items()],
        "affiliations": affiliations,
        "chart_of_accounts": rows("""
            legal_entity role                 key  employee account auxiliary   label
            *            employee             *    *        421000  {auxiliary} Personnel
            *            advance_one_time     *    *        425000  {auxiliary} Avances
            *            advance_regular      *    *        425100  {auxiliary} Avances
            *            payment_compensation *    *        512000  -           Banque
            *            vat                  *    *        445660  -           TVA_déductible
            *            charge               meal *        625700  -           Réceptions
        """),
        "vat_codes": rows("""
            vat_code rate recoverable_percent
            V20      20   100
        """),
        "bank_accounts": [],
        "payment_methods": [],
        "axes": rows("""
            axis        name        parent_axis required
            cost_centre Cost_centre -           false
        """),
        "sections": [{"axis": "cost_centre", "section": section[0], "name": section[1]}],
        "section_rights": [],
    }
