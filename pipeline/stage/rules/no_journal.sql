-- Documents for which the legal entity has no journal that they may come to need.
-- In: placed_expenses, judged_expense_reports, accountable_advances, active_payment_orders, legal_entities,
--     journal_codes.
-- Out: findings. Spec: section 3, `no_journal`.
with

report_journals as (
    select
        journals_of_reports.is_personal,
        journals_of_reports.journal
    from (
        values (true, 'expense_report'), (true, 'advance_imputation'), (false, 'company_paid')
    ) as journals_of_reports (is_personal, journal)
),

entities as (
    select distinct
        legal_entity,
        is_personal
    from placed_expenses
    where is_known_entity and not is_cancelled
),

-- Few, if any: the reports that need one are looked for where there is one.
missing_journals as (
    select
        entities.legal_entity,
        entities.is_personal,
        report_journals.journal
    from entities
    inner join report_journals on entities.is_personal = report_journals.is_personal
    anti join journal_codes
        on entities.legal_entity = journal_codes.legal_entity and report_journals.journal = journal_codes.journal
),

report_needs as (
    select distinct
        placed_expenses.report,
        placed_expenses.version,
        placed_expenses.legal_entity,
        missing_journals.journal
    from placed_expenses
    inner join missing_journals
        on placed_expenses.legal_entity = missing_journals.legal_entity
            and placed_expenses.is_personal = missing_journals.is_personal
    where placed_expenses.is_known_entity and not placed_expenses.is_cancelled
),

needs as (
    select
        'expense_reports' as table_name,
        judged_expense_reports.row_id,
        report_needs.legal_entity,
        report_needs.journal
    from report_needs
    inner join judged_expense_reports
        on report_needs.report = judged_expense_reports.report
            and report_needs.version = judged_expense_reports.version

    union all

    select
        'advances' as table_name,
        accountable_advances.row_id,
        accountable_advances.legal_entity,
        unnest(['advance', 'advance_imputation']) as journal
    from accountable_advances
    inner join legal_entities on accountable_advances.legal_entity = legal_entities.legal_entity

    union all

    select
        'payment_orders' as table_name,
        active_payment_orders.row_id,
        active_payment_orders.legal_entity,
        'payment' as journal
    from active_payment_orders
    inner join legal_entities on active_payment_orders.legal_entity = legal_entities.legal_entity
)

select
    needs.table_name,
    needs.row_id,
    null::varchar as column_name,
    needs.journal as value,
    'legal entity ' || needs.legal_entity || ' has no journal ' || needs.journal || ': add it to journals' as message
from needs
anti join journal_codes
    on needs.legal_entity = journal_codes.legal_entity and needs.journal = journal_codes.journal
