-- A cell that its column cannot hold, or that the cells beside it rule out.
-- In: malformed_cells, placed_expenses, matched_expense_taxes, judged_expense_reports, judged_advances,
--     judged_payment_orders, judged_payment_exclusions, legal_entities, currencies. Out: findings.
-- Spec: section 3; section 2, "Precision".
with

expense_precision as (
    select
        'expenses' as table_name,
        row_id,
        'gross' as column_name,
        shown(gross) as value,
        'gross has more decimals than ' || currency || ' has (' || currency_digits || '): round it to the minor unit'
            as message
    from placed_expenses
    where e4(gross) % minor_e4(currency_digits) <> 0
),

expense_rates as (
    select
        'expenses' as table_name,
        row_id,
        'exchange_rate' as column_name,
        shown(exchange_rate) as value,
        'the expense is in the currency of its legal entity: leave exchange_rate empty or make it 1' as message
    from placed_expenses
    where currency = entity_currency and exchange_rate <> 1
),

-- In whole minor units of the legal entity's currency, as it would be posted.
converted_expenses as not materialized (
    select
        row_id,
        report,
        version,
        legal_entity,
        is_personal,
        payment_method,
        gross,
        currency <> entity_currency as is_foreign,
        converted(
            to_minor(gross, currency_digits),
            if(currency = entity_currency, 100000000, e8(exchange_rate)),
            currency_digits,
            entity_digits
        ) as minor,
        largest_minor(entity_digits) as largest
    from placed_expenses
),

-- An amount that 18 digits cannot hold once it is in the legal entity's currency.
expense_sizes as (
    select
        'expenses' as table_name,
        row_id,
        'gross' as column_name,
        shown(gross) as value,
        'gross × exchange_rate is more than an amount can hold (14 digits): check the rate' as message
    from converted_expenses
    where is_foreign and abs(minor) >= largest
),

-- Expenses that are well one by one, in an entry whose total an amount cannot hold.
entry_totals as (
    select
        report,
        version
    from converted_expenses
    group by report, version, legal_entity, is_personal, payment_method
    having abs(sum(minor)) >= any_value(largest) and max(abs(minor)) < any_value(largest)
),

report_sizes as (
    select
        'expense_reports' as table_name,
        judged_expense_reports.row_id,
        null::varchar as column_name,
        null::varchar as value,
        'the expenses of the report add up to more than an amount can hold (14 digits): split it' as message
    from entry_totals
    inner join judged_expense_reports
        on entry_totals.report = judged_expense_reports.report
            and entry_totals.version = judged_expense_reports.version
),

-- VAT rows that may have an amount amiss: too many decimals, or too large once converted.
doubtful_taxes as (
    select
        matched_expense_taxes.row_id,
        matched_expense_taxes.taxed_gross,
        matched_expense_taxes.vat_amount,
        placed_expenses.currency,
        placed_expenses.currency_digits,
        placed_expenses.entity_currency,
        placed_expenses.entity_digits,
        placed_expenses.exchange_rate
    from matched_expense_taxes
    inner join placed_expenses on matched_expense_taxes.expense_id = placed_expenses.expense_id
    where
        placed_expenses.currency <> placed_expenses.entity_currency
        or e4(matched_expense_taxes.taxed_gross) % minor_e4(placed_expenses.currency_digits) <> 0
        or e4(matched_expense_taxes.vat_amount) % minor_e4(placed_expenses.currency_digits) <> 0
),

doubtful_amounts as (
    select
        *,
        'taxed_gross' as column_name,
        taxed_gross as amount
    from doubtful_taxes

    union all

    select
        *,
        'vat_amount' as column_name,
        vat_amount as amount
    from doubtful_taxes
),

tax_precision as (
    select
        'expense_taxes' as table_name,
        row_id,
        column_name,
        shown(amount) as value,
        column_name || ' has more decimals than ' || currency || ' has (' || currency_digits
        || '): round it to the minor unit' as message
    from doubtful_amounts
    where e4(amount) % minor_e4(currency_digits) <> 0
),

tax_sizes as (
    select
        'expense_taxes' as table_name,
        row_id,
        column_name,
        shown(amount) as value,
        column_name || ' × exchange_rate is more than an amount can hold (14 digits)' as message
    from doubtful_amounts
    where
        currency <> entity_currency
        and abs(
            converted(to_minor(amount, currency_digits), e8(exchange_rate), currency_digits, entity_digits)
        ) >= largest_minor(entity_digits)
),

advance_precision as (
    select
        'advances' as table_name,
        judged_advances.row_id,
        'amount' as column_name,
        shown(judged_advances.amount) as value,
        'amount has more decimals than ' || legal_entities.currency || ' has (' || currencies.digits
        || '): round it to the minor unit' as message
    from judged_advances
    inner join legal_entities on judged_advances.legal_entity = legal_entities.legal_entity
    inner join currencies on legal_entities.currency = currencies.currency
    where e4(judged_advances.amount) % minor_e4(currencies.digits) <> 0
),

third_party_grants as (
    select
        'advances' as table_name,
        row_id,
        'movement' as column_name,
        movement as value,
        'kind third_party has reimbursements only: an employee pays money in' as message
    from judged_advances
    where kind = 'third_party' and movement = 'grant'
),

late_cutoffs as (
    select
        'payment_orders' as table_name,
        row_id,
        'cutoff_on' as column_name,
        cutoff_on::varchar as value,
        'the cutoff is after the order''s creation on ' || created_on || ': make it that day or earlier' as message
    from judged_payment_orders
    where cutoff_on > created_on
),

ambiguous_exclusions as (
    select
        'payment_exclusions' as table_name,
        row_id,
        'report' as column_name,
        report as value,
        if(
            report is null,
            'an exclusion names a report or an employee; this one names neither',
            'an exclusion names a report or an employee; this one names both'
        ) as message
    from judged_payment_exclusions
    where (report is null) = (employee is null)
)

select * from malformed_cells
union all
select * from expense_precision
union all
select * from expense_rates
union all
select * from expense_sizes
union all
select * from report_sizes
union all
select * from tax_precision
union all
select * from tax_sizes
union all
select * from advance_precision
union all
select * from third_party_grants
union all
select * from late_cutoffs
union all
select * from ambiguous_exclusions
