"""Which IBANs a transfer can be made to or from, as the IBAN library has it (spec §6)."""

from __future__ import annotations

import polars as pl
from schwifty import IBAN
from schwifty.exceptions import SchwiftyException


def iban_table(ibans: pl.Series) -> pl.DataFrame:
    """Looks at each distinct IBAN once.

    Out: iban (as given), compact (without blanks), is_payable (in the SEPA zone); a row a valid IBAN.
    """
    rows = [(given, *checked) for given in ibans.drop_nulls().unique().sort() if (checked := _checked(given))]
    return pl.DataFrame(rows, schema={"iban": pl.String, "compact": pl.String, "is_payable": pl.Boolean}, orient="row")


def _checked(given: str) -> tuple[str, bool] | None:
    try:
        iban = IBAN(given, validate_bban=True)
    except SchwiftyException:
        return None
    return iban.compact, bool(iban.in_sepa_zone)
