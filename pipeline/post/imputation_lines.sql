-- The lines of the advance-imputation journal: two rows per imputation, debit positive.
-- In: imputations, posted_documents, entry_kinds, accounts. Out: rows of document_lines. Spec: section 4, journal 4.
with

sides as (
    select
        imputations.document_id,
        entry_kinds.entry_kind,
        imputations.legal_entity,
        imputations.contra_account,
        imputations.contra_auxiliary,
        posted_documents.employee,
        posted_documents.own_auxiliary,
        posted_documents.account_employee,
        posted_documents.label,
        roles.role,
        (imputations.amount * imputations.direction * roles.direction)::decimal(18, 4) as amount
    from imputations
    inner join posted_documents on imputations.document_id = posted_documents.document_id
    inner join entry_kinds
        on entry_kinds.journal = 'advance_imputation' and imputations.legal_entity = entry_kinds.legal_entity
    cross join (values ('employee', 1), ('advance_one_time', -1)) as roles (role, direction)
),

-- An advance that is one-time no more may have lost its account in the chart: it goes back to where it stood.
imputation_lines as (
    select
        sides.document_id,
        sides.entry_kind,
        sides.role,
        if(
            accounts.account is null,
            sides.contra_account,
            rendered(accounts.account, sides.employee, sides.own_auxiliary, sides.legal_entity, '*')
        ) as account,
        if(
            accounts.account is null,
            sides.contra_auxiliary,
            rendered(accounts.auxiliary, sides.employee, sides.own_auxiliary, sides.legal_entity, '*')
        ) as auxiliary,
        if(sides.amount > 0, 'D', 'C') as nominal_side,
        sides.amount,
        null::varchar as foreign_currency,
        null::decimal(18, 4) as foreign_amount,
        null::varchar as expense,
        null::varchar as expense_type,
        null::varchar as vat_code,
        sides.label,
        if(sides.amount > 0, 0, 1) as line_class,
        0 as split,
        null::bigint as combination
    from sides
    left join accounts
        on sides.legal_entity = accounts.legal_entity
            and sides.role = accounts.role
            and accounts.key = '*'
            and sides.account_employee = accounts.employee
)

select * from imputation_lines
