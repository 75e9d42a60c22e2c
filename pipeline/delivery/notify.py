"""Tells people of what went wrong by itself: deliveries and schedules that failed."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING

from pipeline.errors import LettrageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.delivery.outbox import Outbox
    from pipeline.settings.settings import Settings

_BAD = ("failed", "unclear")
_TRIED_AGAIN_AFTER = timedelta(hours=1)


def notify(
    settings: Settings,
    outbox: Outbox,
    destination: str,
    outcomes: Sequence[tuple[str, str, str]],
    tell: Callable[[str], None],
) -> None:
    """Writes to the people of a destination what could not be delivered; the same only once a day.

    outcomes: subject, state and what is said of it.
    """
    bad = [one for one in outcomes if one[1] in _BAD]
    if not bad:
        if any(state == "delivered" for _, state, _ in outcomes):
            outbox.forget_notice(destination)
        return
    described = settings.destinations.get(destination)
    people = list(described.notify) if described is not None else []
    lines = [f"{subject}: {state}. {said}" for subject, state, said in bad]
    lines += [
        "",
        "What failed is tried again by the next `lettrage deliver`; the file of an order by who asked for it.",
    ]
    if any(state == "unclear" for _, state, _ in bad):
        lines += [
            "What is unclear is not sent again by itself: ask the receiver, then `lettrage deliver` with --arrived or",
            "--again and the export or order.",
        ]
    text = "\n".join(lines)
    title = f"Lettrage: {len(bad)} deliveries to {destination} failed"
    once_a_day(settings, outbox, destination, title, text, tell, people=people)


def once_a_day(
    settings: Settings,
    outbox: Outbox,
    about: str,
    title: str,
    text: str,
    tell: Callable[[str], None],
    *,
    people: Sequence[str] = (),
) -> None:
    """Sends a message to people, or to those of [notify], unless they were told the same of it in the last day.

    Where it does not go out that is told, nothing else fails, and it is tried again after an hour.
    """
    if outbox.was_told(about, text):
        return
    if _send(settings, title, text, tell, people):
        outbox.told(about, text)
    else:
        outbox.told(about, text, for_now=_TRIED_AGAIN_AFTER)


def _send(settings: Settings, title: str, text: str, tell: Callable[[str], None], people: Sequence[str]) -> bool:
    to = list(people) or ([] if settings.notify is None else settings.notify.to)
    if not to or settings.mail is None:
        return True
    # Mail is imported where there is some.
    from pipeline.delivery.by_email import hand_over  # noqa: PLC0415

    message = EmailMessage()
    try:
        message["From"], message["To"], message["Subject"] = settings.mail.sender, ", ".join(to), title
        message["Date"] = formatdate()
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        hand_over(settings.mail, settings.known_secrets(), message, to)
    except (LettrageError, ValueError) as error:
        tell(f"not everybody could be told of it: {error}")
        return False
    return True
