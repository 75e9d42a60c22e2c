-- The code of each journal of each legal entity: one row per (legal entity, journal) that has one.
-- In: legal_entities, journals. Out: journal_codes. Spec: section 4, "Accounts" (the exact legal entity before `*`).
with

candidates as (
    select
        legal_entities.legal_entity,
        journals.journal,
        journals.code,
        journals.legal_entity = '*' as is_common
    from legal_entities
    inner join journals on journals.legal_entity in (legal_entities.legal_entity, '*')
),

journal_codes as (
    select
        legal_entity,
        journal,
        arg_min(code, is_common) as journal_code
    from candidates
    group by legal_entity, journal
)

select * from journal_codes
