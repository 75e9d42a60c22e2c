"""One model a table: every column's type, unit and meaning."""
