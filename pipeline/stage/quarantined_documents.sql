-- The documents that go to quarantine with all their rows: one row per document.
-- A row that waits by itself takes no document with it. Returns are each their own.
-- In: findings, row_fates. Out: quarantined_documents. Spec: section 3.
select distinct
    findings.document_kind,
    findings.document
from findings
left join row_fates
    on findings.table_name = row_fates.table_name and findings.row_id = row_fates.row_id
where findings.table_name <> 'payment_returns' and coalesce(row_fates.fate, 'judge') in ('judge', 'conflict')
