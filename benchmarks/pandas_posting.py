"""What a competent user would write with pandas: expense reports and advances in, balanced entry lines out.

`python pandas_posting.py REFERENCE BATCH OUT`, one Parquet file out. It needs pandas and pyarrow alone, and is no part
of Lettrage. It posts like Lettrage where it does anything: to the cent, by account. Reports that it cannot post are
left out and counted. What it does not do stands in benchmarks/README.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

#: decimals of currencies that do not have two
DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "TND": 3, "KWD": 3, "BHD": 3, "OMR": 3, "JOD": 3}
REPORT = ["report", "version"]
EXPENSE = [*REPORT, "expense"]


def main() -> None:
    """Reads the tables, posts, writes the lines."""
    reference, batch, out = (Path(name) for name in sys.argv[1:])
    known = {path.stem: pd.read_parquet(path, dtype_backend="pyarrow") for path in reference.glob("*.parquet")}
    given = {path.stem: pd.read_parquet(path, dtype_backend="pyarrow") for path in batch.glob("*.parquet")}
    reports = latest(given["expense_reports"], "report")
    reports = reports[reports["status"].isin(["approved", "declared"])]
    expenses = given["expenses"].merge(reports[[*REPORT, "employee", "declared_on", "modified_on"]], on=REPORT)
    expenses = amounts(with_entity(expenses, known), known)
    splits = given["allocations"].merge(expenses[EXPENSE], on=EXPENSE)
    bad = set_aside(expenses, splits, known)
    expenses = expenses[~expenses["report"].isin(bad)]
    taxes = recoverable(given["expense_taxes"].merge(expenses, on=EXPENSE), known["vat_codes"])
    vat = taxes.groupby(EXPENSE, as_index=False)["minor"].sum().rename(columns={"minor": "vat_minor"})
    expenses = expenses.merge(vat, on=EXPENSE, how="left")
    expenses["charge_minor"] = expenses["gross_minor"] - expenses["vat_minor"].fillna(0).astype("int64")
    lines = pd.concat(
        [
            charges(expenses, splits),
            of_report(taxes, role="vat", key=taxes["vat_code"]),
            counterparts(expenses),
            advances(given["advances"], known),
        ],
        ignore_index=True,
    )
    lines = lines[lines["minor"] != 0]
    lines = accounts(lines, known)
    unknown = lines.loc[lines["account"].isna(), "document"].unique()
    lines = numbered(lines[~lines["document"].isin(unknown)], known)
    unbalanced = lines.groupby(["legal_entity", "journal_code", "fiscal_year", "entry_number"])["minor"].sum() != 0
    if unbalanced.any():
        message = f"{unbalanced.sum()} entries do not balance"
        raise SystemExit(message)
    lines.to_parquet(out, index=False)
    print(f"{len(lines)} lines; reports left out: {len(bad) + len(unknown)}", file=sys.stderr)  # noqa: T201 - its result


def latest(documents: pd.DataFrame, key: str) -> pd.DataFrame:
    """The highest version of each document."""
    return documents.sort_values([key, "version"]).drop_duplicates(key, keep="last")


def digits(currency: pd.Series) -> pd.Series:
    """The decimals of currencies."""
    return currency.map(DIGITS).fillna(2).astype("int64")


def rounded(value: pd.Series) -> pd.Series:
    """Whole units, halves away from zero. The floats hold these amounts well enough to be rounded to their cent."""
    number = value.astype("float64")
    return (np.sign(number) * np.floor(number.abs() + 0.5)).astype("int64")


def divided(dividend: pd.Series, divisor: pd.Series | int) -> pd.Series:
    """Whole numbers divided and rounded, halves away from zero."""
    return np.sign(dividend) * ((2 * dividend.abs() + divisor) // (2 * divisor))


def with_entity(expenses: pd.DataFrame, known: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The expenses with the legal entity that bears them: their own, or the employee's on the day."""
    expenses = expenses.astype({"incurred_on": "datetime64[ns]"}).sort_values("incurred_on", kind="stable")
    belongs = known["affiliations"].astype({"valid_from": "datetime64[ns]"}).sort_values("valid_from")
    belongs = belongs.rename(columns={"legal_entity": "home", "valid_from": "incurred_on"})
    for frame in (expenses, belongs):
        frame["employee"] = frame["employee"].astype("string[python]")
    found = pd.merge_asof(expenses, belongs, on="incurred_on", by="employee")
    found["legal_entity"] = found["legal_entity"].fillna(found.pop("home"))
    entities = known["legal_entities"][["legal_entity", "currency"]].rename(columns={"currency": "entity_currency"})
    return found.merge(entities, on="legal_entity", how="left")


def amounts(expenses: pd.DataFrame, known: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The gross of each expense in minor units of its entity's currency; whether the employee paid."""
    own, theirs = digits(expenses["currency"]), digits(expenses["entity_currency"])
    is_foreign = (expenses["currency"] != expenses["entity_currency"]).fillna(value=True).astype(bool)
    rate = expenses["exchange_rate"].where(is_foreign, 1).astype("float64")
    expenses["rate_e8"] = rounded(rate.fillna(0) * 10**8)
    expenses["has_rate"] = rate.notna()
    expenses["digits"], expenses["entity_digits"] = own, theirs
    expenses["gross_minor"] = converted(expenses["gross"], expenses)
    expenses["method"] = expenses["payment_method"].where(expenses["payment_method"] != "personal")
    methods = known["payment_methods"]
    each = set(
        map(tuple, methods.loc[methods["counterpart"] == "expense", ["legal_entity", "payment_method"]].to_numpy())
    )
    pairs = pd.MultiIndex.from_frame(expenses[["legal_entity", "payment_method"]])
    expenses["is_each"] = pairs.isin(list(each)) if each else False
    return expenses


def converted(amount: pd.Series, of: pd.DataFrame) -> pd.Series:
    """An amount of expenses in minor units of their entity's currency."""
    minor = rounded(amount.astype("float64").fillna(0) * 10.0 ** of["digits"])
    return divided(minor * of["rate_e8"], 10 ** (8 + of["digits"] - of["entity_digits"]))


def set_aside(expenses: pd.DataFrame, splits: pd.DataFrame, known: dict[str, pd.DataFrame]) -> set[str]:
    """The reports that cannot be posted: no entity or rate, splits that are not 100 percent, inactive sections."""
    bad = set(expenses.loc[expenses["entity_currency"].isna() | ~expenses["has_rate"], "report"])
    each = splits.drop_duplicates([*EXPENSE, "split"])
    totals = each.assign(percent=each["percent"].astype("float64")).groupby(EXPENSE, as_index=False)["percent"].sum()
    bad |= set(totals.loc[(totals["percent"] - 100).abs() > 1e-6, "report"])  # noqa: PLR2004 - less than any percent has
    dated = splits.merge(known["sections"][["axis", "section", "active_from", "active_to"]], on=["axis", "section"])
    dated = dated[dated["active_from"].notna() | dated["active_to"].notna()]
    dated = dated.merge(expenses[[*EXPENSE, "incurred_on"]], on=EXPENSE)
    early = pd.to_datetime(dated["active_from"]) > dated["incurred_on"]
    late = pd.to_datetime(dated["active_to"]) < dated["incurred_on"]
    return bad | set(dated.loc[early | late, "report"])


def recoverable(taxes: pd.DataFrame, codes: pd.DataFrame) -> pd.DataFrame:
    """What of each expense's VAT is recovered, in minor units."""
    taxes = taxes.merge(codes, on="vat_code")
    taxed = converted(taxes["taxed_gross"], taxes).where(taxes["taxed_gross"].notna(), taxes["gross_minor"])
    rate, share = rounded(taxes["rate"].astype("float64") * 1000), taxes["recoverable_percent"].astype("float64")
    computed = divided(taxed * rate, 100_000 + rate)
    vat = converted(taxes["vat_amount"], taxes).where(taxes["vat_amount"].notna(), computed)
    taxes["minor"] = divided(vat * rounded(share * 1000), 100_000)
    return taxes


def charges(expenses: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """The charge lines: each expense over its splits, largest remainders first."""
    axes = splits.pivot_table(index=[*EXPENSE, "split", "percent"], columns="axis", values="section", aggfunc="first")
    shares = axes.add_prefix("axis_").reset_index().merge(expenses, on=EXPENSE)
    magnitude = shares["charge_minor"].abs()
    exact = magnitude * rounded(shares["percent"].astype("float64") * 10_000)
    shares["share"], shares["remainder"] = exact // 1_000_000, exact % 1_000_000
    left_over = magnitude - shares.groupby(EXPENSE)["share"].transform("sum")
    shares = shares.assign(left_over=left_over).sort_values(
        [*EXPENSE, "remainder", "split"], ascending=[True] * 3 + [False, True]
    )
    turn = shares.groupby(EXPENSE).cumcount()
    shares["minor"] = np.sign(shares["charge_minor"]) * (shares["share"] + (turn < shares["left_over"]))
    whole = expenses.merge(shares[EXPENSE].drop_duplicates(), on=EXPENSE, how="left", indicator=True)
    whole = whole[whole["_merge"] == "left_only"].drop(columns="_merge")
    whole["minor"] = whole["charge_minor"]
    shares = pd.concat([shares, whole], ignore_index=True)
    return of_report(shares, role="charge", key=shares["expense_type"])


def counterparts(expenses: pd.DataFrame) -> pd.DataFrame:
    """The lines of the employee, and of the card or bank."""
    each = expenses.assign(one=expenses["expense"].where(expenses["is_each"] & expenses["method"].notna()))
    by = ["report", "version", "employee", "declared_on", "modified_on", "legal_entity", "method", "one"]
    totals = each.groupby(by, dropna=False, as_index=False)["gross_minor"].sum()
    totals["minor"] = -totals["gross_minor"]
    is_company = totals["method"].notna()
    role = pd.Series(np.where(is_company, "company_paid", "employee"), index=totals.index)
    return of_report(totals, role=role, key=totals["method"].fillna("*"))


def of_report(rows: pd.DataFrame, *, role: str | pd.Series, key: pd.Series) -> pd.DataFrame:
    """Rows as lines of a report's entry."""
    kept = ["legal_entity", "employee", "method", "expense", "split", "minor"]
    axes = [name for name in rows.columns if name.startswith("axis_")]
    lines = rows[[name for name in kept if name in rows.columns] + axes].copy()
    lines["document"] = rows["report"]
    lines["journal"] = np.where(rows["method"].isna(), "expense_report", "company_paid")
    lines["role"], lines["key"] = role, key
    lines["event_on"] = rows["modified_on"].fillna(rows["declared_on"])
    return lines


def advances(given: pd.DataFrame, known: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The two lines of each advance."""
    active = latest(given, "advance")
    active = active[(active["status"] == "active") & (active["amount"].astype("float64") > 0)]
    active = active.merge(known["legal_entities"][["legal_entity", "currency"]], on="legal_entity")
    minor = rounded(active["amount"].astype("float64") * 10.0 ** digits(active["currency"]))
    minor = minor.where(active["movement"] == "grant", -minor)
    role = active["kind"].map({"one_time": "advance_one_time", "regular": "advance_regular", "third_party": "employee"})
    common = active[["legal_entity", "employee"]].assign(
        document=active["advance"], journal="advance", event_on=active["modified_on"].fillna(active["occurred_on"])
    )
    return pd.concat(
        [
            common.assign(role=role, key="*", minor=minor),
            common.assign(role="advance_compensation", key=active["compensation"], minor=-minor),
        ]
    )


def accounts(lines: pd.DataFrame, known: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The lines with account and auxiliary, by the most exact row of the chart: employee, then entity, then key."""
    asked = lines[["legal_entity", "role", "key", "employee"]].drop_duplicates().reset_index(drop=True)
    asked["account"], asked["auxiliary"] = None, None
    chart = known["chart_of_accounts"]
    for by_employee in (True, False):
        for by_entity in (True, False):
            for by_key in (True, False):
                rows = chart[
                    ((chart["employee"] != "*") == by_employee)
                    & ((chart["legal_entity"] != "*") == by_entity)
                    & ((chart["key"] != "*") == by_key)
                ]
                asked_by = {"employee": by_employee, "legal_entity": by_entity, "key": by_key}
                on = ["role", *(name for name, wanted in asked_by.items() if wanted)]
                found = asked[on].merge(rows[[*on, "account", "auxiliary"]], on=on, how="left")
                fills = asked["account"].isna() & found["account"].notna()
                asked.loc[fills, ["account", "auxiliary"]] = found.loc[fills, ["account", "auxiliary"]].astype(object)
    people = known["employees"][["employee", "auxiliary"]].rename(columns={"auxiliary": "code"})
    asked = asked.merge(people, on="employee", how="left")
    is_personal = asked["auxiliary"] == "{auxiliary}"
    asked["auxiliary"] = asked["auxiliary"].where(~is_personal, asked["code"].fillna(asked["employee"]))
    return lines.merge(asked.drop(columns="code"), on=["legal_entity", "role", "key", "employee"], how="left")


def numbered(lines: pd.DataFrame, known: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The lines with posting date, fiscal year and entry number."""
    entities = known["legal_entities"][["legal_entity", "closed_through", "fiscal_year_start"]]
    lines = lines.merge(entities, on="legal_entity")
    event, closed = pd.to_datetime(lines["event_on"]), pd.to_datetime(lines["closed_through"])
    lines["entry_date"] = event.where(~(event <= closed), closed + pd.Timedelta(days=1))
    start = lines["fiscal_year_start"].fillna("01-01").astype(str)
    is_next = (start != "01-01") & (lines["entry_date"].dt.strftime("%m-%d") >= start)
    lines["fiscal_year"] = lines["entry_date"].dt.year + is_next.astype(int)
    journals = known["journals"][["legal_entity", "journal", "code"]]
    own = lines.merge(journals, on=["legal_entity", "journal"], how="left")["code"]
    common = journals[journals["legal_entity"] == "*"].set_index("journal")["code"]
    lines["journal_code"] = own.fillna(lines["journal"].map(common))
    series, order = ["legal_entity", "journal_code", "fiscal_year"], ["entry_date", "document", "journal", "method"]
    lines = lines.sort_values([*series, *order], kind="stable").reset_index(drop=True)
    first = ~lines.duplicated([*series, *order])
    lines["entry_number"] = first.groupby([lines[name] for name in series]).cumsum()
    return lines


if __name__ == "__main__":
    main()
