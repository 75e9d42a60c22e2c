-- The VAT of each accepted expense that can be recovered, in whole minor units: one row per (expense, VAT code).
-- minor: of the legal entity's currency; foreign_minor: the same computation in the expense's own, at rate 1.
-- In: gross_amounts, attached_expense_taxes, vat_codes. Out: recoverable_amounts.
-- Spec: section 4, "Amounts of an expense".
with

taxed_amounts as (
    select
        gross_amounts.expense_id,
        attached_expense_taxes.vat_code,
        e3(vat_codes.rate) as rate_e3,
        e3(vat_codes.recoverable_percent) as recoverable_e3,
        coalesce(
            converted(
                to_minor(attached_expense_taxes.taxed_gross, gross_amounts.currency_digits),
                gross_amounts.rate_e8,
                gross_amounts.currency_digits,
                gross_amounts.entity_digits
            )::bigint,
            gross_amounts.gross_minor
        ) as taxed_minor,
        coalesce(
            to_minor(attached_expense_taxes.taxed_gross, gross_amounts.currency_digits),
            gross_amounts.gross_foreign_minor
        ) as taxed_foreign_minor,
        converted(
            to_minor(attached_expense_taxes.vat_amount, gross_amounts.currency_digits),
            gross_amounts.rate_e8,
            gross_amounts.currency_digits,
            gross_amounts.entity_digits
        )::bigint as given_vat_minor,
        to_minor(attached_expense_taxes.vat_amount, gross_amounts.currency_digits) as given_vat_foreign_minor
    from attached_expense_taxes
    inner join gross_amounts
        on attached_expense_taxes.expense_id = gross_amounts.expense_id
    inner join vat_codes on attached_expense_taxes.vat_code = vat_codes.vat_code
),

vat_amounts as (
    select
        expense_id,
        vat_code,
        recoverable_e3,
        coalesce(given_vat_minor, proportion(taxed_minor, rate_e3, 100000 + rate_e3)) as vat_minor,
        coalesce(given_vat_foreign_minor, proportion(taxed_foreign_minor, rate_e3, 100000 + rate_e3))
            as vat_foreign_minor
    from taxed_amounts
)

select
    expense_id,
    vat_code,
    proportion(vat_minor, recoverable_e3, 100000) as minor,
    proportion(vat_foreign_minor, recoverable_e3, 100000) as foreign_minor
from vat_amounts
