"""CSV as RFC 4180 has it; what is no table ends with exit 2, the file and the line; a bad row waits alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.tables import RawTable, read_tables
from schemas import MOVEMENTS
from tests.support import Company, expense, report, write

HEADER = "payment_order,report,employee"


def read(directory: Path, content: bytes | str, table: str = "payment_exclusions") -> RawTable:
    path = directory / f"{table}.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_tables(directory, MOVEMENTS).tables[table]


def cells(raw: RawTable) -> list[tuple[str | None, ...]]:
    return [tuple(row.values()) for row in raw.source.to_pylist()]


def refusal(directory: Path, content: bytes | str, table: str = "payment_exclusions") -> str:
    with pytest.raises(InputError) as caught:
        read(directory, content, table)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"{HEADER}\nO1,R1,\nO2,,E1\n", [("O1", "R1", None), ("O2", None, "E1")]),
        (f"\ufeff{HEADER}\nO1,R1,\n", [("O1", "R1", None)]),
        (f"{HEADER}\r\nO1,R1,\r\nO2,,E1\r\n", [("O1", "R1", None), ("O2", None, "E1")]),
        (f"{HEADER}\rO1,R1,\rO2,,E1\r", [("O1", "R1", None), ("O2", None, "E1")]),
        (f"{HEADER}\nO1,R1,\nO2,,E1", [("O1", "R1", None), ("O2", None, "E1")]),
        (f'{HEADER}\n"O1","R, 1",\n', [("O1", "R, 1", None)]),
        (f'{HEADER}\nO1,"a ""b"" c",""\n', [("O1", 'a "b" c', None)]),
        (
            f'{HEADER}\nO1,"two\nlines",\nO2,"two\r\nlines",\n',
            [("O1", "two\nlines", None), ("O2", "two\r\nlines", None)],
        ),
        (f"{HEADER}\n\nO1,R1,\n\n\nO2,,E1\n\n", [("O1", "R1", None), ("O2", None, "E1")]),
        (f"{HEADER}\n", []),
        (HEADER, []),
        (f"{HEADER}\r\n\r\n", []),
        ('"payment_order","report","employee"\nO1,R1,\n', [("O1", "R1", None)]),
        (" payment_order ,report, employee\nO1, R1 ,\n", [("O1", " R1 ", None)]),
        ("employee,payment_order\nE1,O1\n", [("E1", "O1")]),
        (f"{HEADER}\nO1,é…漢😀,\n", [("O1", "é…漢😀", None)]),
        (f"{HEADER}\n,,\n", [(None, None, None)]),
        (f"{HEADER}\nO1,'R1',=1+1\n", [("O1", "'R1'", "=1+1")]),
    ],
)
def test_cells_are_read_as_they_stand(tmp_path: Path, content: str, expected: list[tuple[str | None, ...]]) -> None:
    raw = read(tmp_path, content)
    assert (cells(raw), raw.bad_rows) == (expected, [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "csv line 1: the file is empty"),
        ("\ufeff\r\n \n", "csv line 1: the file is empty"),
        ('""', "csv line 1: table payment_exclusions lacks the required column payment_order"),
        ('"""', "csv line 1: a quotation mark"),
        ("order;report;employee\nO1;R1;\n", "line 1: table payment_exclusions lacks the required column payment_order"),
        ("payment_order,report,report\nO1,R1,R2\n", "line 1: column report stands twice"),
        (f"{HEADER}\nO1,R1,\nO2,\xe9,\n".encode("latin-1"), "csv line 3: byte 0xe9 is not UTF-8"),
        (f"{HEADER}\nO1,R1,\n".encode("utf-16"), "csv line 1: the file holds NUL bytes"),
        (f"{HEADER}\nO1,R1,\nO2,\0,\n", "csv line 3: the file holds NUL bytes"),
        (bytes(range(1, 256)) * 40, "is not UTF-8"),
        (f'{HEADER}\nO1,R1,\nO2,5" pipe,\nO3,R3,\n', "csv line 3: a quotation mark"),
        (f'{HEADER}\nO1,R1,\nO2,5" pipe,\nO3,6" pipe,\n', "csv line 3: a quotation mark"),
        (f'{HEADER}\nO1,"R1,\nO2,R2,\nO3,R3,\n', "csv line 2: a quotation mark"),
        (f'{HEADER}\nO1,"R1,\nO2,R2,\nO3,"R3",\n', "a quotation mark"),
        (f'{HEADER}\nO1,"R1" ,\n', "csv line 2: a quotation mark"),
    ],
)
def test_what_is_no_table_names_file_and_line(tmp_path: Path, content: bytes | str, said: str) -> None:
    message = refusal(tmp_path, content)
    assert message.startswith(str(tmp_path / "payment_exclusions.csv"))
    assert said in message


def test_columns_that_are_not_known_are_said_once_and_ignored(tmp_path: Path) -> None:
    (tmp_path / "payment_exclusions.csv").write_text("payment_order,mood,report,,\nO1,good,R1,,\nO2,bad,R2,x,\n")
    found = read_tables(tmp_path, MOVEMENTS)
    assert cells(found.tables["payment_exclusions"]) == [("O1", "R1"), ("O2", "R2")]
    assert found.notes == [
        "payment_exclusions.csv: payment_exclusions has columns that are not known and ignored: mood, one without a name, one without a name"
    ]


def test_a_file_of_another_name_is_said_and_ignored(tmp_path: Path) -> None:
    for name in ("expense.csv", "employees.csv", "notes.txt", ".hidden.csv", "~$x.xlsx"):
        (tmp_path / name).write_text("a\n")
    assert read_tables(tmp_path, MOVEMENTS).notes == ["expense.csv: there is no table expense; it is ignored"]


def test_a_table_in_two_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "payment_exclusions.CSV").write_text(f"{HEADER}\n")
    with pytest.raises(InputError, match=r"payment_exclusions\.csv: table payment_exclusions also stands in .*CSV"):
        read(tmp_path, f"{HEADER}\n")


def test_ragged_rows_are_kept_apart_with_their_lines(tmp_path: Path) -> None:
    raw = read(tmp_path, f'{HEADER}\nO1,R1,\n\nO2,R2\n"O\n3",R3,\n"O\n4",R4\nO5,R5,,\nO6,,E6\n')
    assert cells(raw) == [("O1", "R1", None), ("O\n3", "R3", None), ("O6", None, "E6")]
    assert [(row.line, row.text, row.reason) for row in raw.bad_rows] == [
        (4, "O2,R2", "2 cells where the header has 3"),
        (7, '"O\n4",R4', "2 cells where the header has 3"),
        (9, "O5,R5,,", "4 cells where the header has 3"),
    ]


def test_ragged_rows_of_a_large_file_come_in_its_order(tmp_path: Path) -> None:
    lines = [f"O{number},{'R' * 400},{'' if number % 999 else ','}" for number in range(1, 100_000)]
    raw = read(tmp_path, "\n".join([HEADER, *lines]))
    assert [row.line for row in raw.bad_rows] == [number + 1 for number in range(999, 100_000, 999)]
    assert raw.source.num_rows + len(raw.bad_rows) == len(lines)


def test_a_huge_cell_is_read_whole(tmp_path: Path) -> None:
    huge = "x" * 40_000_000
    assert cells(read(tmp_path, f"{HEADER}\nO1,{huge},\n")) == [("O1", huge, None)]
    assert cells(read(tmp_path, f'{HEADER}\nO1,"{huge}\n",\nO2,R2,\n')) == [
        ("O1", huge + "\n", None),
        ("O2", "R2", None),
    ]


def test_a_ragged_row_waits_in_quarantine_and_takes_no_other_document_with_it(tmp_path: Path) -> None:
    company = Company(tmp_path)
    write(tmp_path / "reference", company.reference)
    batch = write(tmp_path / "batch", {"expense_reports": [report()], "expenses": [expense()]})
    with (batch / "expenses.csv").open("a") as file:
        file.write("R9,1,X9,too short\r\n")
    result = company.invoke(
        "run", "--reference", str(tmp_path / "reference"), "--batch", str(batch), "--on", "2026-03-01"
    )
    assert result.exit_code == 3, result.output
    (finding,) = company.table("quarantine").rows(named=True)
    assert (finding["rule"], finding["document"], finding["value"]) == ("malformed_value", None, "R9,1,X9,too short")
    assert company.table("documents")["state"].to_list() == ["posted"]
    company.check()


@pytest.mark.parametrize("content", ["", "R\0", "report\nR1\n", 'a"b,c\n'])
def test_a_run_of_what_is_no_table_ends_with_2_and_leaves_no_ledger(tmp_path: Path, content: str) -> None:
    company = Company(tmp_path)
    write(tmp_path / "reference", company.reference)
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "expenses.csv").write_text(content)
    result = company.invoke("run", "--reference", str(tmp_path / "reference"), "--batch", str(tmp_path / "batch"))
    assert result.exit_code == 2
    assert f"{tmp_path / 'batch' / 'expenses.csv'} line 1: " in result.stderr
    assert not company.store.exists()


@pytest.mark.slow
def test_a_million_expenses_are_read_in_about_two_seconds(tmp_path: Path) -> None:
    line = 'R{0},1,X{0},FR01,2026-01-10,train,personal,EUR,,100.00,"A label, {0}"\n'
    header = ",".join(expense()) + "\n"
    (tmp_path / "expenses.csv").write_text(header + "".join(line.format(number) for number in range(1_000_000)))
    began = time.process_time()
    raw = read_tables(tmp_path, MOVEMENTS).tables["expenses"]
    assert raw.source.num_rows == 1_000_000
    assert time.process_time() - began < 4  # processor seconds of all threads
