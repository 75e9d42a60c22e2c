-- Documents for which the legal entity has no journal that they may come to need.
-- In: placed_expenses, judged_expense_reports, accountable_advances, active_payment_orders, legal_entities,
--     journal_codes.
-- Out: findings. Spec: section 3, `no_journal`.
with

report_journals as (
    select distinct
        report,
        version,
        legal_entity,
        unnest(if(is_personal, ['expense_report', 'advance_imputation'], ['company_paid'])) as journal
    from placed_expenses
    where is_known_entity and not is_cancelled and is_personal is not null
),

needs as (
    select
        'expense_reports' as table_name,
        judged_expense_reports.row_id,
        report_journals.legal_entity,
        report_journals.journal
    from report_journals
    inner join judged_expense_reports
        on report_journals.report = judged_expense_reports.report
            and report_journals.version = judged_expense_reports.version

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
