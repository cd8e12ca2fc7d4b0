"""Mails that come back, as servers, programs and people write them."""

from __future__ import annotations

VERP = "b+17.aaqwertyuiopasdfgh@bounces.example.org"
READER = "ada@think.example"


def mail(*headers: str, body: str = "") -> bytes:
    """A mail of these headers and this body, with CRLF line ends."""
    return "\r\n".join([*headers, "", *body.split("\n")]).encode("utf-8")


def dsn(*blocks: str, to: str = VERP, notice: str = "See the report.", returned: str = "", extra: str = "") -> bytes:
    """A delivery status notification (RFC 3464) with these groups of recipient fields."""
    report = "\n\n".join(["Reporting-MTA: dns; mx.think.example", *blocks])
    parts = [f"Content-Type: text/plain\n\n{notice}", f"Content-Type: message/delivery-status\n\n{report}\n"]
    parts += [returned] if returned else []
    return mail(
        "Return-Path: <>",
        "From: Mail Delivery System <MAILER-DAEMON@mx.think.example>",
        f"To: {to}",
        "Subject: Undelivered Mail Returned to Sender",
        "Message-ID: <report-1@mx.think.example>",
        *([extra] if extra else []),
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_x"',
        body="".join(f"--=_x\n{part}\n" for part in parts) + "--=_x--\n",
    )


def fields(action: str, status: str, address: str = READER, words: str = "", original: str = "") -> str:
    """The fields of one recipient."""
    lines = [f"Original-Recipient: rfc822; {original}"] if original else []
    lines += [f"Final-Recipient: rfc822; {address}", f"Action: {action}", f"Status: {status}"]
    return "\n".join([*lines, *([f"Diagnostic-Code: smtp; {words}"] if words else [])])


def arf(kind: str = "abuse", *, sender: str = VERP, to: str = "abuse@example.org") -> bytes:
    """A complaint in the Abuse Reporting Format (RFC 5965)."""
    report = f"Feedback-Type: {kind}\nUser-Agent: SomeFBL/1.0\nVersion: 1\nOriginal-Mail-From: <{sender}>\n"
    report += f"Original-Rcpt-To: <{READER}>\n"
    letter = (
        f"Return-Path: <{sender}>\nTo: {READER}\nMessage-ID: <weekly-3.00000011@example.org>\nSubject: News\n\nHi\n"
    )
    body = "".join(
        f"--=_y\nContent-Type: {type_}\n\n{text}\n"
        for type_, text in (
            ("text/plain", "This is a complaint."),
            ("message/feedback-report", report),
            ("message/rfc822", letter),
        )
    )
    return mail(
        "From: <fbl@receiver.example>",
        f"To: <{to}>",
        "Subject: complaint about a mail",
        'Content-Type: multipart/report; report-type=feedback-report; boundary="=_y"',
        body=f"{body}--=_y--\n",
    )


def notice(text: str, *headers: str, subject: str = "Returned mail", sender: str = "MAILER-DAEMON@mx.example") -> bytes:
    """A notice in plain text, in a server's own words."""
    return mail(f"From: {sender}", f"To: {VERP}", f"Subject: {subject}", *headers, body=text)


def vacation(*headers: str, subject: str = "Out of office") -> bytes:
    """An answer by the program of a person who is away."""
    return mail(
        "Return-Path: <>",
        f"From: Ada <{READER}>",
        f"To: {VERP}",
        f"Subject: {subject}",
        *headers,
        body="I am away until Monday.\nMail to me could not be delivered faster by asking twice.\n",
    )
