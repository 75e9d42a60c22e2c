"""What can go wrong, and what the command line makes of it.

    LettrageError                 where, what, what to mend
    ├── UsageError                exit 2: wrong usage or configuration
    │   ├── InputError            a table that cannot be read at all
    │   ├── BrokenReferenceError  a broken reference: no document is judged by it
    │   ├── FormatError           an export format or profile that says something impossible
    │   ├── SettingsError         the installation's settings, or a secret that they name
    │   └── ForbiddenError        a batch holds documents that its sender may not post
    └── RunError                  exit 1: failed, the ledger is as it was unless it says otherwise
        ├── StoreError            the ledger store cannot be read or written
        │   ├── StoreBusyError    another process is writing it: try again
        │   └── ReplacedError     a file was cleared away since the store was opened: try again
        ├── InvariantError        what spec §8 promises does not hold
        ├── ExportError           a file cannot be written as its format demands
        ├── StateError            what is kept beside the ledger cannot be read or written
        └── DeliveryError         a file did not reach its receiver
            ├── TryAgainError     what went wrong may pass: it is tried again
            └── UnclearError      nobody knows whether it arrived: a person has to ask

A bad row of a batch is never an error: it is a row of the quarantine.
"""

from __future__ import annotations


class LettrageError(Exception):
    """Something a person has to mend: says where it is, what is wrong, and what to do.

    `exit_code` is what the command line ends with (spec §9).
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.where, self.what, self.mend = where, what, mend
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"\n  {self.mend}" if self.mend else ""
        return f"{place}{self.what}{remedy}"


class UsageError(LettrageError):
    """The command or its configuration is wrong; nothing was done."""

    exit_code = 2


class InputError(UsageError):
    """A file or table that cannot be read at all; names the file and, where there is one, the line."""


class BrokenReferenceError(UsageError):
    """Rows of the reference tables that are broken; names every one of them."""


class FormatError(UsageError):
    """An export format or profile that cannot be meant; names the file, the field and the position."""


class SettingsError(UsageError):
    """The settings of the installation, or a secret that they name; never tells a secret."""


class ForbiddenError(UsageError):
    """A batch holds documents of legal entities that its sender may not post to; names them."""


class RunError(LettrageError):
    """The run failed; the ledger is as it was unless the message says otherwise."""


class StoreError(RunError):
    """The ledger store cannot be read or written."""


class StoreBusyError(StoreError):
    """Another process is writing this store; the same command may be given again."""


class ReplacedError(StoreError):
    """A file of the store was put out of force, and cleared away, since it was opened."""


class InvariantError(RunError):
    """An invariant of spec §8 does not hold, so nothing was written."""


class ExportError(RunError):
    """A file cannot be written as its format demands; names the entry and the field.

    Or its export is recorded and the file could not be put into place: then it says so.
    """


class StateError(RunError):
    """What the installation keeps beside its ledger cannot be read or written."""


class DeliveryError(RunError):
    """A file did not reach its receiver, and will not as things are: a person has to mend something."""


class TryAgainError(DeliveryError):
    """A file did not reach its receiver for a reason that may pass by itself: a connection, a server that is busy."""


class UnclearError(DeliveryError):
    """The connection broke where nobody can tell whether the receiver has it: sending again might double it."""


def first_line(error: BaseException) -> str:
    """What an error of the system says, in a line; its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
