-- The expenses of the documents that are judged, each placed in its legal entity: one row per expense row.
-- In: judged_expense_reports, judged_expenses, expense_copies, known_expense_entities, affiliations, legal_entities,
--     currencies, payment_methods, special_employees. Out: placed_expenses.
-- Spec: section 4, "Legal entity of an expense".
with

headers as (
    select
        report,
        version,
        min(employee) as employee,
        bool_and(coalesce(status = 'cancelled', false)) as is_cancelled
    from judged_expense_reports
    group by report, version
),

expenses_of_employees as (
    select
        judged_expenses.*,
        coalesce(expense_copies.expense_id, judged_expenses.row_id) as expense_id,
        headers.employee,
        headers.is_cancelled,
        known_expense_entities.legal_entity as kept_entity
    from judged_expenses
    inner join headers
        on judged_expenses.report = headers.report and judged_expenses.version = headers.version
    left join expense_copies
        on judged_expenses.report = expense_copies.report
            and judged_expenses.version = expense_copies.version
            and judged_expenses.expense = expense_copies.expense
    left join known_expense_entities
        on judged_expenses.report = known_expense_entities.report
            and judged_expenses.expense = known_expense_entities.expense
),

-- Until when each affiliation holds; an ASOF join would sort the expenses.
periods as (
    select
        employee,
        legal_entity,
        valid_from,
        coalesce(lead(valid_from) over (partition by employee order by valid_from), 'infinity'::date) as ends_before
    from affiliations
),

affiliated_expenses as (
    select
        expenses_of_employees.*,
        periods.legal_entity as affiliated_entity,
        coalesce(
            expenses_of_employees.kept_entity, expenses_of_employees.legal_entity, periods.legal_entity
        ) as placed_entity
    from expenses_of_employees
    left join periods
        on expenses_of_employees.employee = periods.employee
            and expenses_of_employees.incurred_on >= periods.valid_from
            and expenses_of_employees.incurred_on < periods.ends_before
),

entities as (
    select
        legal_entities.legal_entity,
        legal_entities.currency,
        currencies.digits
    from legal_entities
    left join currencies on legal_entities.currency = currencies.currency
),

placed_expenses as (
    select
        affiliated_expenses.row_id,
        affiliated_expenses.expense_id,
        affiliated_expenses.report,
        affiliated_expenses.version,
        affiliated_expenses.expense,
        affiliated_expenses.employee,
        if(special_employees.employee is null, '*', special_employees.employee) as account_employee,
        affiliated_expenses.is_cancelled,
        affiliated_expenses.kept_entity,
        affiliated_expenses.legal_entity as given_entity,
        affiliated_expenses.affiliated_entity,
        affiliated_expenses.placed_entity as legal_entity,
        entities.legal_entity is not null as is_known_entity,
        affiliated_expenses.incurred_on,
        affiliated_expenses.expense_type,
        affiliated_expenses.payment_method,
        affiliated_expenses.payment_method = 'personal' as is_personal,
        coalesce(own_methods.counterpart, common_methods.counterpart, 'report') as counterpart,
        affiliated_expenses.currency,
        expense_currencies.digits as currency_digits,
        entities.currency as entity_currency,
        entities.digits as entity_digits,
        affiliated_expenses.exchange_rate,
        affiliated_expenses.gross,
        affiliated_expenses.label
    from affiliated_expenses
    left join entities on affiliated_expenses.placed_entity = entities.legal_entity
    left join currencies as expense_currencies on affiliated_expenses.currency = expense_currencies.currency
    left join special_employees on affiliated_expenses.employee = special_employees.employee
    left join payment_methods as own_methods
        on affiliated_expenses.placed_entity = own_methods.legal_entity
            and affiliated_expenses.payment_method = own_methods.payment_method
    left join payment_methods as common_methods
        on common_methods.legal_entity = '*' and affiliated_expenses.payment_method = common_methods.payment_method
)

select * from placed_expenses
