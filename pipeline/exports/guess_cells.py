"""What single cells may be: dates, amounts, and what the name of a column says in six languages."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

_FULL = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%m-%d-%Y")
_SHORT = ("%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m/%d/%y", "%m-%d-%y", "%y-%m-%d", "%y/%m/%d")
_DIGITS = {8: ("%d%m%Y", "%Y%m%d", "%m%d%Y"), 6: ("%d%m%y", "%y%m%d", "%m%d%y")}
_YEARS = range(1990, 2060)
#: what two digits may be: others are accounts and numbers
_SHORT_YEARS = range(2012, 2040)
_PATTERNS = {
    form: re.compile(re.sub(r"%[dmy]", r"[0-9]{2}", re.escape(form).replace("%Y", "[0-9]{4}")) + r"\Z")
    for form in (*_FULL, *_SHORT, *_DIGITS[8], *_DIGITS[6])
}
_AMOUNT = re.compile(
    r"(?P<before>[+-]?)(?P<whole>[0-9][0-9 .,'\u00a0\u202f\u2019]*?)"
    r"(?:(?P<point>[.,])(?P<part>[0-9]{1,4}))?(?P<after>[+-]?)\Z"
)
_THOUSANDS = " .,'\u00a0\u202f\u2019"

#: what a name says, the first that fits; names are compared without accents, in small letters, letters and digits alone
_NAMES: tuple[tuple[str, str], ...] = (
    ("kind", r"type|^.*art[0-9]+$"),
    ("lettered_on", r"datelet|lettrage.*date"),
    ("lettering", r"let$|lettrage|lettering|ausziff|punteo"),
    ("validated_on", r"valid"),
    ("due_on", r"echeance|duedate|dueon|fallig|faellig|vencimiento|scadenza|vervaldat"),
    ("foreign_currency", r"idevise|deviseorigine$(?<!it)|foreigncurrency|fremdwahrung|wkzbasis"),
    ("foreign_amount", r"montantdevise|fwbetrag|basisumsatz|(debit|credit|amount).*(origine|currency|foreign)"),
    (
        "document_date",
        r"piecedate|date(de)?(la)?(piece|facture)|(document|tax|invoice|reference|exchrate)date|belegdatum|rechnungsdatum|fechafactura|datadocumento|datafattura|factuurdatum|docdat",
    ),
    ("entry_date", r"date|datum|fecha|^data|dtop|jourecriture"),
    ("side_amount", r"^(umsatz|betrag|montant|amount|importe|importo|bedrag|wert|netto|valor)"),
    ("side", r"sens$|sollhaben|habenkennz|^sh$|^dc$|^cd$|^side|debitcredit|debeteur|sentido|segno|^d/c"),
    ("debit", r"debit|^soll|^debe|^dare|debet|^dr$|^deb$"),
    ("credit", r"credit|haben|haber|avere|kredit|^cr$|^cre$"),
    ("amount", r"montant|amount|betrag|importe|importo|bedrag"),
    ("label", r"memo|entrydesc|jrnldesc"),
    ("contra_account", r"gegenk|contrepartie|gkto|contrapartida|contropartita|tegenrek|contra"),
    ("auxiliary_label", r"auxlib|libelletiers|intituletiers|partnername|nomtiers"),
    (
        "auxiliary",
        r"aux|tiers|partner|personenk|tercero|entity|party|vendor|relati|shortname|debitor|kreditor|employee|fournisseur",
    ),
    (
        "account_label",
        r"comptelib|complib|libellecompte|libelleducompte|intitule|accountname|kontobez|kontoname|nombrecuenta|descrizioneconto",
    ),
    ("journal_label", r"journallib|libelle(du)?journal|journalname"),
    ("fiscal_year", r"exercice|fiscalyear|geschaftsjahr|ejercicio|esercizio|boekjaar"),
    ("account", r"compte|konto|account(?!ing)|cuenta|conto$|^conto|rekening|acct|^kto|accnt|^general$"),
    (
        "entry_number",
        r"ecriture|entryn|mouvement|^mvt|buchungsn|asiento|(journal|jdt)(no|num)|numerodejournal|voucher|registrazione|boekstuk|journalkey",
    ),
    ("line_number", r"ligne|line(no|num|id|number)|zeile|linea$|riga|regel|^lorder|nlig"),
    (
        "section_1",
        r"analyti|section|costcent|kostenst|centrocost|centrodicosto|kostenpl|department|depart|dept|profitc|^class|costingcode",
    ),
    ("journal_code", r"jour|jrn|jnl|diario|dagboek|giornale|buchungskreis"),
    ("document", r"piece|document|beleg|^ref|reference|docn|fact|fattura|^blg|externalid|justif|narration"),
    ("currency", r"devise|currency|wahrung|waehrung|wkz|moneda|divisa|valuta|curr|monnaie"),
    ("employee_name", r"^nom$|^name$|salarie|mitarbeiter|empleado|dipendente"),
    ("vat_code", r"codetva|vatcode|taxcode|steuerschl|buschl|iva$|btw"),
    (
        "label",
        r"lib|label|texte?$|buchungstext|memo|concepto|descri|omschrijving|tx1|bezeichnung|comment|designation|remark",
    ),
    ("entry_number", r"^(no|n|num|numero|nr)$"),
)


@dataclass(frozen=True)
class Style:
    """How amounts of a column are written: see `decimal` in docs/formats.md. others: how single ones differ."""

    scale: int
    point: str
    thousands: str = ""
    plus: str = ""
    sign: str = "before"
    varies: bool = False


def hint(name: str) -> str:
    """The column that a name speaks of, empty where none."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if c.isascii() and c.isalnum())
    return next((column for column, pattern in _NAMES if re.search(pattern, plain)), "") if plain else ""


def date_forms(texts: list[str]) -> list[str]:
    """How dates may be written of which these are some, the likeliest first; nothing where they are no dates."""
    if not texts:
        return []
    size = len(texts[0])
    if any(len(text) != size for text in texts):
        return []
    if texts[0].isdigit():
        forms: tuple[str, ...] = _DIGITS.get(size, ())
    else:
        forms = _FULL if size == 10 else _SHORT if size == 8 else ()  # noqa: PLR2004 - the sizes of dates
    known = set(texts)
    return [form for form in forms if all(as_date(text, form) for text in known)]


def is_day_and_month(texts: list[str]) -> bool:
    """Whether texts are a day and a month, four digits without a year."""
    days = [re.match(r"([0-3][0-9])([01][0-9])\Z", text) for text in texts]
    return bool(texts) and all(day and 0 < int(day[1]) <= 31 and 0 < int(day[2]) <= 12 for day in days)  # noqa: PLR2004


def as_date(text: str, form: str) -> date | None:
    """The day that a text says, nothing where it is none of a likely year."""
    if not _PATTERNS[form].match(text):
        return None
    try:
        day = datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        return None
    return day if day.year in (_YEARS if "%Y" in form else _SHORT_YEARS) else None


def amounts(texts: list[str]) -> tuple[list[Decimal], Style] | None:
    """The amounts that texts are, an empty one being 0, and how they are written; nothing where one is no amount."""
    found = []
    for text in texts:
        if text and (match := _AMOUNT.match(text)) is not None and not (match["before"] and match["after"]):
            found.append(match)
        elif text:
            return None
    if not found:
        return None
    # 1.234 is a thousand where any other amount has two decimals behind another mark.
    points = {match["point"] for match in found if match["point"]}
    inner = {c for match in found for c in match["whole"] if c in _THOUSANDS}
    if len(points - inner) > 1 or len(inner) > 1 or (points & inner):
        return None
    if any(not re.match(r"[0-9]{1,3}(?:[^0-9][0-9]{3})*\Z|[0-9]+\Z", match["whole"]) for match in found):
        return None
    point = "".join(points)
    parts = [len(match["part"] or "") for match in found]
    style = Style(
        scale=max(parts),
        point=point,
        thousands="".join(inner),
        plus="+" if any("+" in (match["before"], match["after"]) for match in found) else "",
        sign="after" if any(match["after"] for match in found) else "before",
        varies=len(set(parts)) > 1,
    )
    if style.thousands and not style.point:
        return None
    numbers = iter(found)
    made = []
    for text in texts:
        if not text:
            made.append(Decimal(0))
            continue
        match = next(numbers)
        number = Decimal(re.sub(r"[^0-9]", "", match["whole"]) + "." + (match["part"] or "0"))
        made.append(-number if "-" in (match["before"], match["after"]) else number)
    return made, style
