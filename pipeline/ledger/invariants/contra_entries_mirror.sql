-- Contra-entries that are not the mirror of what they take back, or take back what another did: one row per entry.
-- In: stored_entry_lines. Out: violations. Spec: section 4, "Modification and cancellation".
with

contra_lines as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        line_number,
        reverses_fiscal_year,
        reverses,
        account,
        auxiliary,
        debit,
        credit,
        count(*) over (partition by legal_entity, journal_code, reverses_fiscal_year, reverses, line_number) as times
    from stored_entry_lines
    where reversal
)

select
    contra_lines.legal_entity,
    contra_lines.journal_code,
    contra_lines.fiscal_year,
    contra_lines.entry_number,
    contra_lines.reverses_fiscal_year,
    contra_lines.reverses
from contra_lines
left join stored_entry_lines as originals
    on contra_lines.legal_entity = originals.legal_entity
        and contra_lines.journal_code = originals.journal_code
        and contra_lines.reverses_fiscal_year = originals.fiscal_year
        and contra_lines.reverses = originals.entry_number
        and contra_lines.line_number = originals.line_number
where
    contra_lines.times > 1
    or originals.entry_number is null
    or originals.reversal
    or contra_lines.account <> originals.account
    or contra_lines.auxiliary is distinct from originals.auxiliary
    or contra_lines.debit <> originals.credit
    or contra_lines.credit <> originals.debit
