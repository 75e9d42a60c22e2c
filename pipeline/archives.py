"""Archives that come from elsewhere: what would unfold to more than memory holds is told before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import InputError, UsageError

if TYPE_CHECKING:
    import zipfile

#: how many times larger than packed the part of an honest workbook is at most
_LARGEST_RATIO = 200
_SMALL = 1_024


def check_members(
    archive: zipfile.ZipFile, largest: int, *, where: str, mend: str, error: type[UsageError] = InputError
) -> None:
    """Holds the members of an archive to a size in bytes, and to what packing can bring.

    error: what is raised, naming the member that unfolds to too much.
    """
    for member in archive.infolist():
        if member.file_size > min(largest, _LARGEST_RATIO * max(member.compress_size, _SMALL)):
            raise error(f"its part {member.filename} unfolds to {member.file_size:,} bytes", where=where, mend=mend)
