-- What orders the run's entries in their series: one row per entry. It knows nothing of parts but which it is of.
-- In: entries. Out: entries_to_number. Spec: section 4, "Numbering".
select
    this_part() as part,
    entry_id,
    legal_entity,
    journal_code,
    fiscal_year,
    entry_date,
    document_date,
    document_kind,
    document,
    employee,
    numbering_class,
    journal,
    payment_method,
    reverses_fiscal_year,
    reverses
from entries
