-- The lines of a document, all its versions: one row per line.
-- In: stored_entry_lines. Out: story_lines. Spec: section 7.
select * from stored_entry_lines
where
    document_kind = $document_kind
    and document = $document
    and ($legal_entity::varchar is null or legal_entity = $legal_entity)
