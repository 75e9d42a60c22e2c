-- The payments that an order made, with what a bank's file says of them: one row per employee.
-- As they were made: what was returned or cancelled later is among them.
-- In: stored_payments, stored_entry_lines, employees, legal_entities, currencies. Out: order_payments. Spec: section 6.
with

payments_made as (
    select *
    from stored_payments
    where payment_order = $order
    qualify row_number() over (partition by employee order by run asc) = 1
),

entries as (
    select
        legal_entity,
        journal_code,
        fiscal_year,
        entry_number,
        any_value(entry_date) as entry_date,
        any_value(document_date) as document_date
    from stored_entry_lines
    where document_kind = 'payment_order' and document = $order and not reversal
    group by legal_entity, journal_code, fiscal_year, entry_number
)

select
    payments_made.payment_order,
    payments_made.legal_entity,
    legal_entities.name as entity_name,
    payments_made.employee,
    coalesce(nullif(trim(employees.name), ''), payments_made.employee) as employee_name,
    payments_made.iban,
    employees.bic,
    payments_made.amount,
    legal_entities.currency,
    currencies.digits as currency_digits,
    entries.document_date as paid_on,
    entries.entry_date,
    payments_made.journal_code,
    payments_made.fiscal_year,
    payments_made.entry_number
from payments_made
inner join entries
    on payments_made.legal_entity = entries.legal_entity
        and payments_made.journal_code = entries.journal_code
        and payments_made.fiscal_year = entries.fiscal_year
        and payments_made.entry_number = entries.entry_number
inner join legal_entities on payments_made.legal_entity = legal_entities.legal_entity
inner join currencies on legal_entities.currency = currencies.currency
left join employees on payments_made.employee = employees.employee
order by payments_made.employee
