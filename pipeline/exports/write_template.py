"""A customer's workbook that is filled: cells come into its sheets from a row on, and everything else in it stays.

The parts of the workbook (ECMA-376, part 2) are taken as they are and only those changed in which something is written:
a library that reads and saves workbooks loses what it does not know, as the XML maps by which Business Central reads a
configuration package.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import polars as pl
from lxml import etree
from openpyxl.utils import column_index_from_string, get_column_letter, range_boundaries

from pipeline.archives import check_members
from pipeline.errors import FormatError
from pipeline.exports.write_xlsx import MAIN, ROW_MARK, Rows, Strings, member, numbered, places, sheet_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pipeline.exports.format import LoadedFormat

#: in bytes: what a template may unfold to, all of it and a part, and how many times its own size
_LARGEST, _LARGEST_PART = 256 << 20, 32 << 20
_MOST_PARTS = 5_000
_TYPES = "[Content_Types].xml"
_MAIN_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_STRINGS_TYPE = f"{_MAIN_TYPE}sharedStrings+xml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_GENERAL = "0"
#: the first number of a number format that a workbook brings
_OWN_FORMAT = 164
_CELL = re.compile(f'(?=<c r="[A-Z]+{ROW_MARK})')
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")
#: what the rows that are written take over from the first one
_LOOKS = ("s", "customFormat", "ht", "customHeight")
#: the elements of a workbook that stand in front of calcPr
_BEFORE_CALC = ("sheets", "functionGroups", "externalReferences", "definedNames")


class Parts:
    """The parts of a template, checked before they are read; sheets: the part of each sheet by its name.

    Raises: FormatError in a sentence where it is no workbook, or one that is not filled.
    """

    def __init__(self, content: bytes, where: str) -> None:
        self.where = where
        try:
            self._parts = _unpacked(content, where)
            self.types = self.tree(_TYPES)
            self._refuse()
            (self.workbook,) = (path for kind, path in self.relations("") if kind == "officeDocument")
            book = self.tree(self.workbook)
            ids = {element.get("Id"): path for element, path in self._relations(self.workbook)}
            self.sheets = {
                str(sheet.get("name")): ids[sheet.get(_in(_RELATION, sheet, "id"))]
                for sheet in book.iterfind(".//{*}sheets/{*}sheet")
            }
            self.sheets = {name: path for name, path in self.sheets.items() if "/worksheets/" in f"/{path}"}
        except FormatError:
            raise
        except Exception as error:  # noqa: BLE001 - a broken workbook breaks its readers in many ways
            raise self.broken(error) from None
        if not self.sheets:
            raise FormatError("the template has no sheet", where=where)

    def broken(self, error: Exception) -> FormatError:
        """The error of a template that cannot be read."""
        return FormatError(
            f"the template cannot be read as a workbook ({type(error).__name__}: {error})",
            where=self.where,
            mend="save it as .xlsx again",
        )

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> bytes:
        return self._parts[name]

    def __setitem__(self, name: str, content: bytes) -> None:
        self._parts[name] = content

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def tree(self, name: str) -> etree._Element:
        """The elements of a part."""
        if len(self._parts[name]) > _LARGEST_PART:
            raise FormatError(
                f"its part {name} has more than {_LARGEST_PART >> 20} MB", where=self.where, mend="leave the rows out"
            )
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        root = etree.fromstring(self._parts[name], parser)
        if root.getroottree().docinfo.internalDTD is not None:
            raise FormatError(f"its part {name} declares a document type, as no workbook does", where=self.where)
        return root

    def relations(self, part: str) -> list[tuple[str, str]]:
        """The parts that a part refers to: the kind of each and its name."""
        return [(_kind(element), path) for element, path in self._relations(part)]

    def _relations(self, part: str) -> list[tuple[etree._Element, str]]:
        name = _relations_of(part)
        if name not in self._parts:
            return []
        found = []
        for element in self.tree(name).iterfind("{*}Relationship"):
            if element.get("TargetMode") != "External":
                target = posixpath.join("/", posixpath.dirname(part), str(element.get("Target")))
                found.append((element, posixpath.normpath(target).lstrip("/")))
        return found

    def related(self, kind: str) -> str | None:
        """The part of a kind that the workbook refers to."""
        return next((path for found, path in self.relations(self.workbook) if found == kind), None)

    def add(self, name: str, kind: str, content_type: str, content: bytes) -> None:
        """Adds a part that the workbook refers to."""
        self._parts[name] = content
        override = etree.SubElement(self.types, _beside(self.types, "Override"))
        override.set("PartName", f"/{name}")
        override.set("ContentType", content_type)
        relations = self.tree(_relations_of(self.workbook))
        relation = etree.SubElement(relations, _beside(relations, "Relationship"))
        relation.set("Id", f"lettrage{kind}")
        relation.set("Type", f"{_RELATION}/{kind}")
        relation.set("Target", f"/{name}")
        self._parts[_relations_of(self.workbook)] = serialized(relations)

    def drop(self, kind: str) -> None:
        """Leaves out a part of a kind that the workbook refers to."""
        name = self.related(kind)
        if name is None:
            return
        self._parts.pop(name, None)
        for override in self.types.xpath("//*[@PartName=$name]", name=f"/{name}"):  # type: ignore[union-attr]
            self.types.remove(override)  # type: ignore[arg-type]
        relations = self.tree(_relations_of(self.workbook))
        for element in relations.findall("{*}Relationship"):
            if _kind(element) == kind:
                relations.remove(element)
        self._parts[_relations_of(self.workbook)] = serialized(relations)

    def _refuse(self) -> None:
        """Holds the workbook to what is filled. Raises: FormatError."""
        kinds = " ".join(str(element.get("ContentType")) for element in self.types)
        if "macroEnabled" in kinds or "vbaProject" in kinds or any(name.endswith("vbaProject.bin") for name in self):
            raise FormatError("a template with macros is not filled", where=self.where, mend="save it as .xlsx")
        if any(name.startswith("_xmlsignatures/") for name in self):
            raise FormatError(
                "the template is signed, and a signature holds for what was signed alone",
                where=self.where,
                mend="take the signature off",
            )
        for element in self.types:
            kind = str(element.get("ContentType"))
            element.set("ContentType", kind.replace(f"{_MAIN_TYPE}template.main+xml", f"{_MAIN_TYPE}sheet.main+xml"))


def _unpacked(content: bytes, where: str) -> dict[str, bytes]:
    """The parts of a template by name. Raises: FormatError for what is no workbook, or unfolds to too much."""
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise FormatError("the template is an .xls, or has a password", where=where, mend="save it as .xlsx, without")
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise FormatError("the template is no workbook", where=where, mend="save it as .xlsx")
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        found = [info for info in packed.infolist() if not info.is_dir()]
        check_members(packed, _LARGEST, where=where, mend="leave out what is not needed", error=FormatError)
        if len(found) > _MOST_PARTS or sum(info.file_size for info in found) > _LARGEST:
            raise FormatError("the template unfolds to too much", where=where, mend="leave out what is not needed")
        names = [info.filename for info in found]
        if len(set(names)) < len(names):
            raise FormatError("the template has a part twice", where=where, mend="save it as .xlsx again")
        return {info.filename: packed.read(info) for info in found}


class TemplateStyles:
    """The looks of a template: its own of a column, else those with a number format put in."""

    def __init__(self, root: etree._Element) -> None:
        self.root = root
        self._forms = next(root.iterfind("{*}cellXfs"))
        #: per sheet and column the style of the cells that stand there
        self.own: dict[str, dict[int, int]] = {}
        self._made: dict[tuple[int, str], int] = {}

    def of(self, sheet: str, column: int, number_format: str | None) -> int:
        """The number of a style; a number format that the customer chose stays."""
        own = self.own[sheet].get(column, 0)
        if number_format is None or (self._forms[own].get("numFmtId") or _GENERAL) != _GENERAL:
            return own
        made = self._made.get((own, number_format))
        if made is None:
            form = deepcopy(self._forms[own])
            form.set("numFmtId", self._format(number_format))
            form.set("applyNumberFormat", "1")
            self._forms.append(form)
            self._forms.set("count", str(len(self._forms)))
            made = self._made[own, number_format] = len(self._forms) - 1
        return made

    def _format(self, code: str) -> str:
        """The number of a number format."""
        known = self.root.find("{*}numFmts")
        if known is None:
            known = etree.Element(_beside(self.root, "numFmts"))
            self.root.insert(0, known)
        for form in known:
            if form.get("formatCode") == code:
                return str(form.get("numFmtId"))
        number = max((int(form.get("numFmtId") or 0) for form in known), default=0) + 1
        form = etree.SubElement(known, _beside(self.root, "numFmt"))
        form.set("numFmtId", str(max(number, _OWN_FORMAT)))
        form.set("formatCode", code)
        known.set("count", str(len(known)))
        return str(form.get("numFmtId"))


@dataclass
class _Sheet:
    """A sheet that is filled from a row on. columns: those that the format writes. kept: what stood in its rows.

    held: the XML of the rows that were written, packed.
    """

    path: str
    root: etree._Element
    first: int
    columns: set[int]
    kept: dict[int, etree._Element] = field(default_factory=dict)
    looks: str = ""
    written: int = 0
    held: list[bytes] = field(default_factory=list)

    @property
    def data(self) -> etree._Element:
        return next(self.root.iterfind("{*}sheetData"))

    @property
    def last(self) -> int:
        """The last row that was written, at least the first one: a table has a row."""
        return max(self.first, self.first + self.written - 1)

    @property
    def space(self) -> str:
        """What makes rows without a prefix those of the sheet."""
        return "" if self.root.nsmap.get(None) == MAIN else f' xmlns="{_space(self.root)}"'


class Filled:
    """A template that is filled, sheet by sheet."""

    def __init__(self, parts: Parts, loaded: LoadedFormat) -> None:
        self._parts = parts
        self._where = parts.where
        self._sheets: dict[str, _Sheet] = {}
        self._has_lost_formula = False
        try:
            self.styles = TemplateStyles(parts.tree(self._style_part()))
            for name in dict.fromkeys(sheet_of(made) for made in loaded.records):
                self._sheets[name] = self._sheet(name, loaded)
            strings = parts.related("sharedStrings")
            self._texts = etree.fromstring(f'<sst xmlns="{MAIN}"/>') if strings is None else parts.tree(strings)
        except FormatError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise parts.broken(error) from None
        self.strings = Strings(len(self._texts.findall("{*}si")))
        self.writer = Rows(loaded, self.styles)

    def put(self, name: str, rows: pl.Series) -> None:
        """Adds rows to a sheet, in their order; cells that stand in other columns stay."""
        sheet = self._sheets[name]
        number = sheet.first + sheet.written
        done = 0
        for there in sorted(there for there in sheet.kept if number <= there < number + len(rows)):
            place = there - number
            self._append(sheet, rows.slice(done, place - done), sheet.looks)
            element = sheet.kept.pop(there)
            self._append(sheet, pl.Series([_merged(element, rows[place])]), _attributes(element))
            done = place + 1
        self._append(sheet, rows.slice(done), sheet.looks)

    def close(self, target: BinaryIO) -> None:
        """Writes the workbook."""
        parts = self._parts
        for sheet in self._sheets.values():
            self._extend(sheet)
        self._put_strings()
        parts[self._style_part()] = serialized(self.styles.root)
        if self._has_lost_formula:
            parts.drop("calcChain")
        self._recalculate()
        parts[_TYPES] = serialized(parts.types)
        filled = {sheet.path: sheet for sheet in self._sheets.values()}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in parts:
                with packed.open(member(name), "w") as part:
                    for content in _content(filled[name]) if name in filled else [parts[name]]:
                        part.write(content)
        target.write(buffer.getbuffer())

    def discard(self) -> None:
        """Forgets what was written."""

    def _style_part(self) -> str:
        name = self._parts.related("styles")
        if name is None:
            raise FormatError(
                "the template has no styles", where=self._where, mend="save it with a spreadsheet program"
            )
        return name

    def _sheet(self, name: str, loaded: LoadedFormat) -> _Sheet:
        """Makes a sheet ready: what stood in the columns that are written goes, from the first row on."""
        if name not in self._parts.sheets:
            raise FormatError(
                f"the template has no sheet {name}; it has {', '.join(self._parts.sheets)}", where=self._where
            )
        here = [made for made in loaded.records if sheet_of(made) == name]
        columns = {column for made in here for column in places(made, loaded)}
        first = next((made.record.first_row for made in here if made.record.first_row), loaded.format.first_row)
        path = self._parts.sheets[name]
        sheet = _Sheet(path, self._parts.tree(path), first, columns)
        _count(sheet.data)
        _forget_results(sheet.root)
        rows = {int(row.get("r") or 0): row for row in sheet.data.iterfind("{*}row")}
        self.styles.own[name] = _own_styles(sheet, rows.get(first))
        if first in rows:
            sheet.looks = _attributes(rows[first], only=_LOOKS)
        name_of = {prefix: space for prefix, space in sheet.root.nsmap.items() if space == _space(sheet.root)}
        aside = etree.Element(sheet.data.tag, nsmap=name_of)  # type: ignore[arg-type]  # the stubs know no default namespace
        for number, row in rows.items():
            if number >= first:
                self._clear(sheet, row)
                aside.append(row)
                if len(row) or _attributes(row):
                    sheet.kept[number] = row
        for table in self._tables(sheet):
            left, top, right, _ = _range(table)
            if top >= first and columns & set(range(left, right + 1)):
                raise FormatError(
                    f"table {table.get('displayName')} begins in row {top}, and rows are written from {first} on",
                    where=self._where,
                    mend="write first_row in the format: the row below the table's header",
                )
        return sheet

    def _clear(self, sheet: _Sheet, row: etree._Element) -> None:
        """Takes the values out of the cells of a row that the format writes; how they look stays."""
        for cell in row.findall("{*}c"):
            if _column(cell) not in sheet.columns:
                continue
            formula = cell.find("{*}f")
            if formula is not None:
                self._has_lost_formula = True
                left, _, right, _ = range_boundaries(formula.get("ref") or cell.get("r"))
                if left != right:
                    raise FormatError(
                        f"the formula in {cell.get('r')} is one of several columns, and the format writes there",
                        where=self._where,
                        mend="take it out of the template",
                    )
            for child in list(cell):
                cell.remove(child)
            for name in ("t", "cm", "vm"):
                cell.attrib.pop(name, "")
            if not cell.get("s"):
                row.remove(cell)

    def _append(self, sheet: _Sheet, rows: pl.Series, attributes: str) -> None:
        for part in numbered(
            rows, sheet.first + sheet.written, self.strings, self._where, f"{sheet.space}{attributes}"
        ):
            sheet.held.append(zlib.compress(part, 1))
        sheet.written += len(rows)

    def _tables(self, sheet: _Sheet) -> list[etree._Element]:
        return [self._parts.tree(path) for kind, path in self._parts.relations(sheet.path) if kind == "table"]

    def _extend(self, sheet: _Sheet) -> None:
        """Takes the tables above what was written down to its last row."""
        for kind, path in self._parts.relations(sheet.path):
            if kind != "table":
                continue
            table = self._parts.tree(path)
            left, top, right, bottom = _range(table)
            if not (top < sheet.first <= bottom + 1 and sheet.columns & set(range(left, right + 1))):
                continue
            if int(table.get("totalsRowCount") or 0):
                raise FormatError(
                    f"table {table.get('displayName')} has a row of totals, where lines are written",
                    where=self._where,
                    mend="switch the row of totals off in the template",
                )
            reach = f"{get_column_letter(left)}{top}:{get_column_letter(right)}{sheet.last}"
            table.set("ref", reach)
            table.attrib.pop("insertRow", "")
            table.attrib.pop("insertRowShift", "")
            for element in table.iterfind("{*}autoFilter"):
                element.set("ref", reach)
            self._parts[path] = serialized(table)
        dimension = sheet.root.find("{*}dimension")
        if dimension is not None:
            left, top, right, bottom = range_boundaries(dimension.get("ref"))
            left, right = min(left, *sheet.columns), max(right, *sheet.columns)
            lowest = max([sheet.last, sheet.first - 1 if bottom >= sheet.first else bottom, *sheet.kept])
            top = min(top, sheet.first)
            dimension.set("ref", f"{get_column_letter(left)}{top}:{get_column_letter(right)}{lowest}")

    def _put_strings(self) -> None:
        """Adds the texts to those that the template has."""
        if not self.strings:
            return
        texts = self._texts
        uses = int(texts.get("count") or 0) + self.strings.uses
        texts.set("count", str(uses))
        texts.set("uniqueCount", str(len(texts.findall("{*}si")) + len(self.strings)))
        space = "" if texts.nsmap.get(None) == MAIN else f' xmlns="{_space(texts)}"'
        before, after = _around(texts, texts)
        content = b"".join([before, *self.strings.xml(space), after])
        name = self._parts.related("sharedStrings")
        if name is None:
            folder = posixpath.dirname(self._parts.workbook)
            self._parts.add(posixpath.join(folder, "sharedStrings.xml"), "sharedStrings", _STRINGS_TYPE, content)
        else:
            self._parts[name] = content

    def _recalculate(self) -> None:
        """Has formulas come to something else when the workbook is opened: what they came to is no longer so."""
        paths = [path for path in self._parts.sheets.values() if _FORMULA.search(self._parts[path])]
        if not paths:
            return
        for path in set(paths) - {sheet.path for sheet in self._sheets.values()}:
            root = self._parts.tree(path)
            _forget_results(root)
            self._parts[path] = serialized(root)
        book = self._parts.tree(self._parts.workbook)
        how = book.find("{*}calcPr")
        if how is None:
            how = etree.Element(_beside(book, "calcPr"))
            before = [place for place, child in enumerate(book) if etree.QName(child).localname in _BEFORE_CALC]
            book.insert(before[-1] + 1, how)
        how.set("fullCalcOnLoad", "1")
        self._parts[self._parts.workbook] = serialized(book)


def serialized(root: etree._Element) -> bytes:
    """A part as it is packed."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _content(sheet: _Sheet) -> Iterator[bytes]:
    """A sheet with its rows: those above, those written, and what stood below them."""
    before, after = _around(sheet.root, sheet.data)
    yield before
    for part in sheet.held:
        yield zlib.decompress(part)
    for _, row in sorted(sheet.kept.items()):
        yield _xml(row)
    yield after


def _xml(element: etree._Element) -> bytes:
    """An element as it stands among rows that are written."""
    return etree.tostring(element, with_tail=False).replace(f' xmlns="{MAIN}"'.encode(), b"", 1)


def _space(element: etree._Element) -> str:
    """The namespace of an element."""
    return str(etree.QName(element).namespace)


def _around(root: etree._Element, element: etree._Element) -> tuple[bytes, bytes]:
    """What stands before the end of an element, and what from there on."""
    element.append(etree.ProcessingInstruction("here"))
    before, after = serialized(root).split(b"<?here ?>")
    return before, after


def _forget_results(root: etree._Element) -> None:
    """Takes out of a sheet what its formulas came to."""
    for cell in root.iterfind("{*}sheetData/{*}row/{*}c"):
        if cell.find("{*}f") is not None:
            cell.attrib.pop("t", "")
            for value in cell.findall("{*}v"):
                cell.remove(value)


def _merged(row: etree._Element, cells: str) -> str:
    """The cells of a row that is written and those that stand there, in the order of their columns."""
    made = {_letters(cell): cell for cell in _CELL.split(cells) if cell}
    for cell in row.iterfind("{*}c"):
        letters = get_column_letter(_column(cell))
        made.setdefault(letters, _xml(cell).decode())
    return "".join(made[letters] for letters in sorted(made, key=column_index_from_string))


def _letters(cell: str) -> str:
    return cell[len('<c r="') : cell.index(ROW_MARK)]


def _count(data: etree._Element) -> None:
    """Gives rows and cells the places that they may leave out."""
    number = 0
    for row in data.iterfind("{*}row"):
        number = int(row.get("r") or number + 1)
        row.set("r", str(number))
        column = 0
        for cell in row.iterfind("{*}c"):
            column = _column(cell) if cell.get("r") else column + 1
            cell.set("r", f"{get_column_letter(column)}{number}")


def _column(cell: etree._Element) -> int:
    return int(column_index_from_string(str(cell.get("r")).rstrip("0123456789")))


def _range(table: etree._Element) -> tuple[int, int, int, int]:
    """The first column and row of a table, and its last ones."""
    left, top, right, bottom = range_boundaries(table.get("ref"))
    return left, top, right, bottom


def _own_styles(sheet: _Sheet, row: etree._Element | None) -> dict[int, int]:
    """The style of each column that is written: of the cell in the first row, of that row, or of the column."""
    own: dict[int, int] = {}
    for said in sheet.root.iterfind("{*}cols/{*}col"):
        span = range(int(said.get("min") or 0), int(said.get("max") or 0) + 1)
        own.update((column, int(said.get("style") or 0)) for column in sheet.columns if column in span)
    if row is None:
        return own
    if row.get("customFormat") in ("1", "true"):
        own |= dict.fromkeys(sheet.columns, int(row.get("s") or 0))
    return own | {_column(cell): int(cell.get("s") or 0) for cell in row.iterfind("{*}c")}


def _attributes(row: etree._Element, only: tuple[str, ...] = ()) -> str:
    """How a row looks, as its element says it."""
    return "".join(
        f" {name}={quoteattr(str(row.get(name)))}"
        for name in map(str, row.attrib)
        if name not in ("r", "spans") and not name.startswith("{") and (not only or name in only)
    )


def _relations_of(part: str) -> str:
    return posixpath.join(posixpath.dirname(part), "_rels", f"{posixpath.basename(part)}.rels")


def _kind(relation: etree._Element) -> str:
    return str(relation.get("Type")).rpartition("/")[2]


def _beside(root: etree._Element, name: str) -> str:
    """A name in the namespace of an element."""
    return f"{{{_space(root)}}}{name}"


def _in(namespace: str, element: etree._Element, name: str) -> str:
    """The name of an attribute, in the namespace of relationships that the workbook uses."""
    said = next((key for key in element.attrib if str(key).endswith(f"}}{name}")), f"{{{namespace}}}{name}")
    return str(said)
