"""Minor units of currencies: ISO 4217 list one as of 1 January 2026, without units that have none (gold, XDR, tests).

The Bulgarian lev, withdrawn on that day, is kept: expenses of the year before still come in.
CLDR's digits, which most libraries carry, are those of price tags and differ.
"""

from __future__ import annotations

import polars as pl

_CODES = {
    0: """
        BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
    """,
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
        CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR
        ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV
        MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
        SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
    """,
    3: """
        BHD IQD JOD KWD LYD OMR TND
    """,
    4: """
        CLF UYW
    """,
}

#: ISO 4217 code → how many decimals its minor unit has
MINOR_UNITS: dict[str, int] = {code: digits for digits, codes in _CODES.items() for code in codes.split()}


def currencies() -> pl.DataFrame:
    """A row (currency, digits) per code."""
    return pl.DataFrame({"currency": list(MINOR_UNITS), "digits": list(MINOR_UNITS.values())}).cast(
        {"digits": pl.Int32}
    )
