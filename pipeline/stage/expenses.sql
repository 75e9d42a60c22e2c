-- The expenses of the documents that are judged, each placed in its legal entity: one row per expense row.
-- In: judged_expense_reports, judged_expenses, known_expense_entities, affiliations, legal_entities, currencies,
--     payment_methods, special_employees. Out: placed_expenses. Spec: section 4, "Legal entity of an expense".
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
        expense_keys.expense_id,
        headers.employee,
        headers.is_cancelled,
        known_expense_entities.legal_entity as kept_entity
    from judged_expenses
    inner join expense_keys on judged_expenses.row_id = expense_keys.row_id
    inner join headers
        on judged_expenses.report = headers.report and judged_expenses.version = headers.version
    left join known_expense_entities
        on judged_expenses.report = known_expense_entities.report
            and judged_expenses.expense = known_expense_entities.expense
),

affiliated_expenses as (
    select
        expenses_of_employees.*,
        affiliations.legal_entity as affiliated_entity,
        coalesce(
            expenses_of_employees.kept_entity, expenses_of_employees.legal_entity, affiliations.legal_entity
        ) as placed_entity
    from expenses_of_employees
    asof left join affiliations
        on expenses_of_employees.employee = affiliations.employee
            and expenses_of_employees.incurred_on >= affiliations.valid_from
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
        legal_entities.legal_entity is not null as is_known_entity,
        affiliated_expenses.incurred_on,
        affiliated_expenses.expense_type,
        affiliated_expenses.payment_method,
        affiliated_expenses.payment_method = 'personal' as is_personal,
        coalesce(own_methods.counterpart, common_methods.counterpart, 'report') as counterpart,
        affiliated_expenses.currency,
        expense_currencies.digits as currency_digits,
        legal_entities.currency as entity_currency,
        entity_currencies.digits as entity_digits,
        affiliated_expenses.exchange_rate,
        affiliated_expenses.gross,
        affiliated_expenses.label
    from affiliated_expenses
    left join legal_entities on affiliated_expenses.placed_entity = legal_entities.legal_entity
    left join currencies as expense_currencies on affiliated_expenses.currency = expense_currencies.currency
    left join currencies as entity_currencies on legal_entities.currency = entity_currencies.currency
    left join special_employees on affiliated_expenses.employee = special_employees.employee
    left join payment_methods as own_methods
        on affiliated_expenses.placed_entity = own_methods.legal_entity
            and affiliated_expenses.payment_method = own_methods.payment_method
    left join payment_methods as common_methods
        on common_methods.legal_entity = '*' and affiliated_expenses.payment_method = common_methods.payment_method
)

select * from placed_expenses
