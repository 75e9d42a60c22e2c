"""XML and JSON: a record is an element with an element for each field, or an object with a member for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.errors import FormatError
from pipeline.exports.cells import Texts, joined
from pipeline.exports.expressions import Type, json_text, text_of, xml_text

if TYPE_CHECKING:
    from pipeline.exports.format import Cell, LoadedFormat, LoadedRecord

#: a number as JSON writes it (RFC 8259, section 6)
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"


class Tagged:
    """Makes records of XML or JSON, one a line, with what the format puts before and after each."""

    def __init__(self, loaded: LoadedFormat) -> None:
        self._is_xml = loaded.format.kind == "xml"
        self._texts = Texts(loaded)

    def records(self, made: LoadedRecord, rows: pl.DataFrame) -> pl.Series:
        """A record a row. Raises: ExportError naming the field and the row of a value that does not fit."""
        if made.text is not None:
            return self._texts.line(made.text, made.place, rows)
        texts = self._texts.of(made, rows)
        fields = [self._field(cell, series) for cell, series in zip(made.cells, texts, strict=True)]
        if self._is_xml:
            element = made.record.element
            inside = [pl.lit(f"<{element}>"), *fields, pl.lit(f"</{element}>")] if element else fields
        else:
            commas = [part for field in fields for part in (pl.lit(","), field)][1:]
            inside = [pl.lit("{"), *commas, pl.lit("}")]
        before, after = (pl.lit("") if part is None else text_of(part) for part in (made.before, made.after))
        return joined([before, *inside, after], rows)

    def _field(self, cell: Cell, given: pl.Series | str) -> pl.Expr:
        texts = pl.Series([given]) if isinstance(given, str) else given
        value = pl.lit(given) if isinstance(given, str) else pl.lit(texts)
        if self._is_xml:
            attributes = "".join(
                f' {name}="{pl.select(xml_text(pl.lit(text))).item()}"' for name, text in cell.field.attributes.items()
            )
            content = xml_text(value)
            return pl.concat_str(pl.lit(f"<{cell.name}{attributes}>"), content, pl.lit(f"</{cell.name}>"))
        name = str(pl.select(json_text(pl.lit(cell.name))).item())
        is_number = cell.field.decimal is not None or cell.field.bare or cell.source_type == Type.NUMBER
        if is_number and cell.field.quoted is not True:
            if not cell.field.bare and not texts.filter(texts != "").str.contains(_NUMBER).all():
                raise FormatError(
                    f"{texts.filter(~texts.str.contains(_NUMBER))[0]!r} is no number as JSON writes it",
                    where=cell.place,
                    mend='write point = "." and no thousands, or quoted = true for a text',
                )
            written = pl.when(value == "").then(pl.lit("null")).otherwise(value)
        else:
            written = json_text(value)
        return pl.concat_str(pl.lit(f"{name}:"), written)
