from __future__ import annotations

import random
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from pipeline.delivery.by_email import EmailChannel, hand_over
from pipeline.delivery.by_folder import FolderChannel
from pipeline.delivery.parcel import SENDING
from pipeline.errors import DeliveryError, SettingsError, TryAgainError, UnclearError
from pipeline.settings.destinations import EmailDestination, FolderDestination
from pipeline.settings.secrets import Secrets
from tests.servers import smtp
from tests.servers.parcels import Steps, content, parcel, until_done
from tests.servers.proxy import DOWN, UP, Cut, Proxy
from tests.servers.smtp import PASSWORD, MailServer

ADA, BO, CY = "ada@beta.example", "bo@beta.example", "cy@beta.example"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with smtp.running(tmp_path / "smtp") as running:
        yield running


def destination(*to: str, **more: object) -> EmailDestination:
    return EmailDestination.model_validate({"by": "email", "to": list(to) or [ADA], **more})


def channel(server: MailServer, *to: str, **more: object) -> EmailChannel:
    return EmailChannel(destination(*to, **more), server.secrets, server.mail())


# ------------------------------------------------------------------------------------------------- the message


def test_all_files_of_a_parcel_arrive_in_one_message_byte_for_byte(server: MailServer, tmp_path: Path) -> None:
    files = {
        "écritures é.csv": "compte;é\r\n.\r\n..x\n.last".encode("cp1252"),
        "a.xlsx": content(5000),
        "b.xml": b"<a/>",
        "n" * 120 + ".bin": b"\0",
    }
    made, steps = parcel(tmp_path / "out", files), Steps()
    text = ".\n..two dots\n.\n$subject\n$files\n"
    channel(server, f"Ada Möller <{ADA}>", cc=[BO], bcc=[CY, ADA], text=text).deliver(made, steps)
    (message,) = server.box.messages
    attached = {part.get_filename(): part for part in message.iter_attachments()}
    assert {name: part.get_payload(decode=True) for name, part in attached.items()} == files
    assert [part.get_content_type() for part in attached.values()] == [
        "text/csv",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/xml",
        "application/octet-stream",
    ]
    assert server.box.to == [[ADA, BO, CY]]
    assert message["To"] == f"Ada Möller <{ADA}>"
    assert message["Cc"] == BO
    assert message["Bcc"] is None
    assert CY.encode() not in server.box.raw[0]
    assert message["From"] == "Alpha Comptabilité <books@alpha.example>"
    assert message["Subject"] == "FR01: csv 2026-01"
    assert message["Message-ID"] == f"<{made.delivery}@alpha.example>"
    assert message["Date"] is not None
    body = message.get_body()
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert text.startswith(".\n..two dots\n.\nexport 12\n")
    assert f"a.xlsx (5,000 bytes, SHA-256 {made.files[1].sha256})" in text
    assert set(steps.receipts) == set(files)
    assert steps.answers["a.xlsx"] == "250 kept as number 7"
    assert steps.log[0] == ("message", SENDING)


def test_a_message_that_was_answered_for_is_not_sent_again(server: MailServer, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path, {"a": b"1", "b": b"2"}), Steps()
    channel(server).deliver(made, steps)
    channel(server).deliver(made, steps)
    # Killed after the answer was written down, and before the second receipt.
    del steps.receipts["b"]
    channel(server).deliver(made, steps)
    steps.receipts.clear()
    channel(server).deliver(made, steps)
    assert len(server.box.messages) == 1
    assert set(steps.receipts) == {"a", "b"}
    assert steps.answers["b"].endswith("kept as number 7")


def test_the_message_of_a_parcel_is_always_the_same_but_for_its_date(server: MailServer, tmp_path: Path) -> None:
    for _ in range(2):
        channel(server).deliver(parcel(tmp_path, {"a.csv": b"1;2"}), Steps())
    channel(server).deliver(parcel(tmp_path, {"a.csv": b"1;2"}, "d2"), Steps())
    first, second, other = (
        [line for line in raw.splitlines() if not line.startswith(b"Date:")] for raw in server.box.raw
    )
    assert first == second
    assert first != other


def test_large_files_are_put_elsewhere_and_linked(server: MailServer, tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    folder = FolderDestination.model_validate({"by": "folder", "path": share, "folder": "$legal_entity/$year"})
    made, steps = parcel(tmp_path / "out", {"grand livre é.csv": content(60_000), "b.csv": content(50_000, 2)}), Steps()
    to = destination(attach_up_to_mb=0.1, link_by="share", link_base="https://files.example/x/")
    server.box.answers["DATA"] = "451 later"
    linked = EmailChannel(to, server.secrets, server.mail(), linked=FolderChannel(folder))
    with pytest.raises(TryAgainError):
        linked.deliver(made, steps)
    (share / "FR01/2026/b.csv").unlink()
    linked.deliver(made, steps)
    (message,) = server.box.messages
    assert not message.is_multipart()
    text = message.get_content()
    first, second = made.files
    assert "grand livre é.csv: https://files.example/x/FR01/2026/grand%20livre%20%C3%A9.csv (60,000 bytes" in text
    assert first.sha256 in text
    assert second.sha256 in text
    assert sorted(path.name for path in share.rglob("*.csv")) == ["grand livre é.csv"], (
        "what was there is not put again"
    )
    assert set(steps.receipts) == {"grand livre é.csv", "b.csv"}
    assert steps.receipts["b.csv"].address == f"mailto:{ADA}"
    small = parcel(tmp_path / "out", {"a.csv": b"1"}, "small")
    linked.deliver(small, Steps())
    assert [part.get_filename() for part in server.box.messages[1].iter_attachments()] == ["a.csv"]


def test_large_files_without_a_place_to_link_to_are_for_a_person(server: MailServer, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"0\.2 MB, more than attach_up_to_mb \(0\.1\)"):
        channel(server, attach_up_to_mb=0.1).deliver(parcel(tmp_path, {"a": content(200_000)}), Steps())
    assert server.box.messages == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"to": ["a@b.example\r\nBcc: x@y.example"]}, "is no address"),
        ({"to": ["a@b.example, c@d.example"]}, "is no address"),
        ({"to": ["nobody"]}, "is no address"),
        ({"cc": ["é@b.example"]}, "is no address"),
        ({"bcc": [""]}, "is no address"),
        ({"subject": "$entity_name"}, "Subject holds a line break"),
        ({"subject": "$nothing"}, r"names \$nothing"),
        ({"text": "$"}, "names nothing"),
    ],
)
def test_line_breaks_and_what_cannot_be_meant_are_refused(
    server: MailServer, tmp_path: Path, more: dict[str, object], said: str
) -> None:
    made = parcel(tmp_path, {"a": b"1"}, entity_name="Alpha\r\nBcc: x@y.example")
    with pytest.raises((SettingsError, DeliveryError), match=said):
        channel(server, **{"text": "-", **more}).deliver(made, Steps())  # type: ignore[arg-type]
    with pytest.raises(DeliveryError, match="no name for an attachment"):
        channel(server).deliver(parcel(tmp_path, {"a\r\nX: y": b"1"}), Steps())
    assert server.box.messages == []


# ----------------------------------------------------------------------------------------------- TLS and login


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_tls_with_a_login(tmp_path: Path, security: str) -> None:
    with smtp.running(tmp_path / "smtp", security) as server:
        made, steps = parcel(tmp_path, {"a": b"1"}), Steps()
        EmailChannel(destination(), server.secrets, server.safe_mail(security)).deliver(made, steps)
        assert server.box.is_encrypted == [True]
        wrong = Secrets(None, {"LETTRAGE_SECRET_MAIL": "wr0ng-password"})
        with pytest.raises(DeliveryError, match="does not accept books with this password: 535") as raised:
            EmailChannel(destination(), wrong, server.safe_mail(security)).deliver(made, Steps())
        assert not isinstance(raised.value, TryAgainError)
        assert "wr0ng" not in str(raised.value)
        for mail in (server.safe_mail(security, ca_file=None), server.safe_mail(security, host="localhost")):
            with pytest.raises(DeliveryError, match="certificate is not to be trusted") as raised:
                EmailChannel(destination(), server.secrets, mail).deliver(made, Steps())
            assert not isinstance(raised.value, TryAgainError)
        assert len(server.box.messages) == 1


def test_nothing_goes_to_a_server_without_tls(server: MailServer, tmp_path: Path) -> None:
    made = parcel(tmp_path, {"a": b"1"})
    with pytest.raises(DeliveryError, match="does not speak TLS") as raised:
        EmailChannel(destination(), server.secrets, server.safe_mail("starttls")).deliver(made, Steps())
    assert not isinstance(raised.value, TryAgainError)
    assert PASSWORD not in str(raised.value)


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("at", ["MAIL", ADA, "DATA"])
@pytest.mark.parametrize(("answer", "kind"), [("451 try later", TryAgainError), ("554 no spam here", DeliveryError)])
def test_a_refusal_says_who_mends_it_and_is_not_unclear(
    server: MailServer, tmp_path: Path, at: str, answer: str, kind: type[DeliveryError]
) -> None:
    made, steps = parcel(tmp_path, {"a": b"1"}), Steps()
    server.box.answers[at] = answer
    with pytest.raises(DeliveryError, match=answer) as raised:
        channel(server).deliver(made, steps)
    assert type(raised.value) is kind
    assert steps.get("message") != SENDING
    channel(server).deliver(made, steps)
    assert len(server.box.messages) == 1


def test_who_has_the_message_does_not_get_it_again_when_others_were_refused(server: MailServer, tmp_path: Path) -> None:
    made, steps = parcel(tmp_path, {"a": b"1"}), Steps()
    server.box.answers |= {BO: "450 mailbox busy", CY: "550 no such mailbox"}
    with pytest.raises(TryAgainError, match=r"bo@.* \(450 mailbox busy\); cy@.* \(550 no such mailbox\)"):
        channel(server, ADA, BO, CY).deliver(made, steps)
    assert steps.receipts == {}
    server.box.answers[CY] = "550 no such mailbox"
    with pytest.raises(DeliveryError, match="mend the addresses") as raised:
        channel(server, ADA, BO, CY).deliver(made, steps)
    assert not isinstance(raised.value, TryAgainError)
    server.box.answers[CY] = "550 no such mailbox"
    with pytest.raises(DeliveryError, match="no such mailbox"):
        channel(server, ADA, BO, CY).deliver(made, steps)
    other = "dee@beta.example"
    channel(server, ADA, BO, other).deliver(made, steps)
    assert server.box.to == [[ADA], [BO], [other]]
    assert len({message["Message-ID"] for message in server.box.messages}) == 1
    assert set(steps.receipts) == {"a"}


def test_a_message_that_is_too_large_for_the_server_is_for_a_person(tmp_path: Path) -> None:
    with smtp.running(tmp_path / "smtp", data_size_limit=20_000) as server:
        with pytest.raises(DeliveryError, match="attach less") as raised:
            channel(server).deliver(parcel(tmp_path, {"a": content(30_000)}), Steps())
        assert not isinstance(raised.value, TryAgainError)


# ------------------------------------------------------------------------------------------- connections that break


@pytest.mark.parametrize("cut", ["before", "after"])
def test_an_answer_that_was_lost_is_left_to_a_person(server: MailServer, tmp_path: Path, cut: str) -> None:
    made, steps = parcel(tmp_path, {"a": b"1"}), Steps()
    server.box.cut = cut
    with pytest.raises(UnclearError, match=f"nobody can tell whether {ADA} got it"):
        channel(server).deliver(made, steps)
    with pytest.raises(UnclearError):
        channel(server).deliver(made, steps)
    assert len(server.box.messages) == (cut == "after")
    # Somebody has asked: nobody got it.
    channel(server).deliver(made, Steps())
    assert len(server.box.messages) == 1 + (cut == "after")


def test_an_answer_that_is_none_is_left_to_a_person(server: MailServer, tmp_path: Path) -> None:
    server.box.answers["DATA"] = "oh dear"
    with pytest.raises(UnclearError):
        channel(server).deliver(parcel(tmp_path, {"a": b"1"}), Steps())


def test_where_a_person_wants_so_the_message_is_sent_again_under_the_same_id(
    server: MailServer, tmp_path: Path
) -> None:
    made, steps = parcel(tmp_path, {"a": b"1"}), Steps()
    server.box.cut = "after"
    assert until_done(channel(server, after_unclear="send"), made, steps) == 2
    assert [message["Message-ID"] for message in server.box.messages] == [f"<{made.delivery}@alpha.example>"] * 2


def test_a_killed_attempt_leaves_what_is_unclear_unclear(server: MailServer, tmp_path: Path) -> None:
    made = parcel(tmp_path, {"a": b"1"})
    with pytest.raises(UnclearError):
        channel(server).deliver(made, Steps(message=SENDING))
    channel(server, after_unclear="send").deliver(made, Steps(message=SENDING))
    assert len(server.box.messages) == 1


def test_a_server_that_stalls_or_is_gone_is_not_waited_for(server: MailServer, tmp_path: Path) -> None:
    made = parcel(tmp_path, {"a": b"1"})
    with Proxy(server.port, stalls=True) as proxy:
        mail = server.mail(port=proxy.port, timeout_seconds=0.3)
        with pytest.raises(TryAgainError, match=r"no answer for 0\.3 seconds|closed the connection"):
            EmailChannel(destination(), server.secrets, mail).deliver(made, Steps())
    with pytest.raises(TryAgainError, match="cannot be reached"):
        EmailChannel(destination(), server.secrets, server.mail(port=proxy.port)).deliver(made, Steps())


def send_through_cuts(server: MailServer, tmp_path: Path, cuts: int, seed: int) -> None:
    """Sends through a proxy that cuts, until it has cut so often. Nobody gets a message twice; what is unclear says so."""
    chance = random.Random(seed)
    with Proxy(server.port) as proxy:
        by_mail = EmailChannel(destination(ADA, BO), server.secrets, server.mail(port=proxy.port))
        by_mail.deliver(parcel(tmp_path, {"a.csv": content(20_000)}, "first"), Steps())
        whole = {UP: proxy.passed[0].up, DOWN: proxy.passed[0].down}
        server.box.messages.clear()
        number, unclear = 0, 0
        while proxy.cut_count < cuts:
            number += 1
            made, steps = parcel(tmp_path, {"a.csv": content(20_000, number)}, str(number)), Steps()
            ways = [chance.choice((UP, DOWN)) for _ in range(4)]
            # In half of them near the end of the message, where it gets delicate.
            firsts = [chance.choice((1, max(1, whole[way] - 80))) for way in ways]
            proxy.cuts[:] = [
                Cut(way, chance.randint(first, whole[way])) for way, first in zip(ways, firsts, strict=True)
            ]
            try:
                until_done(by_mail, made, steps)
                is_unclear = False
            except UnclearError:
                is_unclear, unclear = True, unclear + 1
            got = [one for one in server.box.messages if one["Message-ID"] == f"<{made.delivery}@alpha.example>"]
            assert len(got) <= 1, f"message {number} came twice"
            assert is_unclear or len(got) == 1, f"message {number} is lost"
            assert is_unclear == (not steps.receipts)
        assert 0 < unclear < number


def test_connections_cut_at_random_never_bring_a_message_twice(server: MailServer, tmp_path: Path) -> None:
    send_through_cuts(server, tmp_path, cuts=40, seed=1)


@pytest.mark.slow
def test_connections_cut_many_times_never_bring_a_message_twice(server: MailServer, tmp_path: Path) -> None:
    send_through_cuts(server, tmp_path, cuts=300, seed=2)


# --------------------------------------------------------------------------------------------------------- notices


def test_a_notice_is_sent_as_it_is(server: MailServer) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.mail().sender, ADA, "Lettrage: 1 delivery failed"
    message.set_content("export 12: failed")
    hand_over(server.mail(), server.secrets, message, [ADA])
    assert server.box.messages[0]["Subject"] == "Lettrage: 1 delivery failed"
    server.box.answers[BO] = "550 no such mailbox"
    with pytest.raises(DeliveryError, match="no such mailbox"):
        hand_over(server.mail(), server.secrets, message, [ADA, BO])
    server.box.cut = "after"
    with pytest.raises(UnclearError):
        hand_over(server.mail(), server.secrets, message, [ADA])
