"""What servers and programs say in their own words: which code, whose fault, and whether anybody bounced at all.

The codes are those of RFC 3463, with the registry that RFC 5248 made of them; the replies of RFC 5321 4.2.3.
"""

from __future__ import annotations

import re


def _any(phrases: str) -> re.Pattern[str]:
    """Matches any of these patterns, one a line, in letters of any size."""
    return re.compile("|".join(line.strip() for line in phrases.strip().splitlines()), re.IGNORECASE)


# --- codes ----------------------------------------------------------------------------------------

_STATUS = re.compile(r"(?<![\w.])([245])\.(\d{1,3})\.(\d{1,3})(?![\w.]*\d)")
_AFTER_REPLY = re.compile(r"(?<!\d)[245]\d\d[ -]#?\(?([245])\.(\d{1,3})\.(\d{1,3})(?![\w.]*\d)")
_REPLY = re.compile(
    r"(?<![\w.:/\[-])([45])[0-7]\d(?=[\s:;,#)-]|$)"
    r"(?![\s-]+(?:times|attempts|seconds|minutes|hours|days|k?b|bytes|octets|messages)\b)",
    re.IGNORECASE,
)
_NAMES_ADDRESS = frozenset((0, 1, 2, 3, 4, 6, 10))
"""The details of x.1.x that speak of whom the mail went to; 5 is no fault, 7 and 8 speak of the sender, 9 of a gateway
(RFC 3463 3.2); 10 is a domain that takes no mail (RFC 7505)."""
_OF_THE_LETTER = frozenset(((2, 3), (3, 4)))
"""It is too long for the mailbox, or for the system."""


def code_in(text: str) -> str:
    """The status that a text gives (RFC 3463), made of the reply code when it has no better; "" for none."""
    for pattern in (_AFTER_REPLY, _STATUS):
        for found in pattern.finditer(text):
            class_, subject, detail = map(int, found.groups())
            if subject < 8 and (subject or not detail):  # else it is the version of a program
                return f"{class_}.{subject}.{detail}"
    reply = _REPLY.search(text)
    return f"{reply[1]}.0.0" if reply else ""


def is_policy(status: str, words: str) -> bool:
    """Refused for what we are or send: security and policy (x.7.x), content (x.6.x), size, or in so many words.

    That a server knows no such user is believed in spite of a word about policy beside it.
    """
    _, subject, detail = _numbers(status)
    if subject in (6, 7) or (subject, detail) in _OF_THE_LETTER:
        return True
    return not (subject == 1 or _UNKNOWN.search(words)) and bool(_POLICY.search(words))


def names_address(status: str, words: str) -> bool:
    """The address itself is said to be no good: x.1.x, or an unknown user in so many words."""
    class_, subject, detail = _numbers(status)
    if class_ == 4 or is_policy(status, words):
        return False
    if subject == 1:
        return detail in _NAMES_ADDRESS
    return subject in (0, 2, 3, 5) and bool(_UNKNOWN.search(words))


def _numbers(status: str) -> tuple[int, int, int]:
    """Class, subject and detail; zeros for no status."""
    numbers = status.split(".")
    return (int(numbers[0]), int(numbers[1]), int(numbers[2])) if len(numbers) == 3 else (0, 0, 0)


# --- refusals -------------------------------------------------------------------------------------

_UNKNOWN = _any(r"""
    \b(?:user|recipient|mailbox|account|login|userid|addressee|address)\b[^.;]{0,40}?\b(?:un|not )(?:known|recogni.ed)
    \b(?:user|recipient|mailbox|account|login|userid|addressee|address)\b[^.;]{0,40}?\bnot (?:found|listed|exist)
    \b(?:user|recipient|mailbox|account|login|userid|addressee|address)\b[^.;]{0,40}?\b(?:does|did)(?: not|n't) exist
    \b(?:user|recipient|mailbox|account|address)\b[^.;]{0,40}?\bno longer (?:exists|valid|active|in use|available|works)
    \b(?:user|recipient|mailbox|account|address)\b[^.;]{0,40}?\bnon-?exist
    \b(?:unknown|no such|invalid|non-?existent|bad(?: destination)?|undefined|illegal) (?:local )?(?:user|recipient)
    \b(?:unknown|no such|invalid|non-?existent|bad(?: destination)?|undefined) (?:mailbox|account|alias|login)
    \b(?:unknown|no such|invalid|non-?existent|bad(?: destination)?|undefined) (?:e-?mail )?(?:address|local[- ]part)
    \bno (?:mailbox|account|user) (?:here )?(?:by|with|under) (?:that|this) name
    \bnot a (?:valid|known) (?:user|mailbox)|\bnot our customer|\bdoesn't have an? \S+ account
    \baccount (?:has been|is|was) (?:closed|deactivated|deleted|terminated)
    \bnicht (?:bekannt|gefunden)|\bunbekannte?r? (?:empf|benutzer)|\b(?:empfänger|benutzer) (?:ist )?unbekannt
    \butilisateur (?:inconnu|non recens)|\bdestinataire inconnu|\badresse (?:inconnue|inexistante)
    \b(?:usuario|destinatario|buzón) (?:desconocido|inexistente|no (?:existe|encontrado))
    \b(?:utente|destinatario) sconosciut|\busuário (?:desconhecido|inexistente)
    пользовател\w* (?:не найден|не существует)|ящик\w* не (?:найден|существует)
""")
_POLICY = _any(r"""
    \b(?:spam|unsolicited|bulk mail|phish\w*|malware)\b|\binfected with\b|\bvirus(?:es)? (?:found|detected|infected)
    \b(?:black|block|deny) ?-?list|\b(?:dnsbl|rbl|spamhaus|spamcop|barracuda|sorbs|reputation|dmarc|dkim|spf)\b
    \b(?:local|security|site|content|message|sending|email|administrative|by|for) policy\b
    \bpolicy (?:reason|violation|rejection|restriction)
    \bblocked (?:by|using|for|due|because|senders?)\b|\bdue to (?:its |the |message )?content\b
    \b(?:ip|host|sender|server|message|mail|content) (?:\S+ ){0,3}(?:blocked|banned|rejected as)\b
    \bcontent (?:rejected|filter|block)|\b(?:unable to|cannot) relay\b
    \brelay(?:ing)? (?:access )?(?:denied|not permitted|not allowed|prohibited)
    \brate ?limit|\btoo many (?:connections|messages|recipients)\b
    \bauthentication (?:required|failed)\b|\bnot (?:authori[sz]ed|permitted) to (?:send|relay)\b
""")
_LASTING = _any(r"""
    \bpermanent(?:ly)?\b|\bfatal error|\bgiv(?:en|ing) up\b|\bgave up\b|\bperm_failure\b
    \bno such (?:domain|host)|\bhost (?:unknown|not found)|\bdomain (?:not found|does not exist)|\bunroute?able\b
""")
_PASSING = _any(r"""
    \bnot yet been delivered|\bstill being retried|\bwill (?:be re-?tried|keep trying|try again)
    \bwill continue to (?:try|be made)|\b(?:has been|was|is) (?:delayed|deferred|postponed)
    \b(?:only|just) a warning|\bwarning only|\btemporar(?:y|ily)\b|\btransient\b
    \bnur eine warnung|\bwird weiterhin versucht|\bretard\w* (?:de|dans) (?:la )?(?:remise|livraison)
    \bretraso en la entrega
""")
_FAILED = _any(r"""
    \b(?:could|can|was|were|has|have|is|did)(?: ?not|n't) (?:be |been )?(?:deliver(?:ed|able)?|reach(?:ed)?)\b
    \b(?:could|can|was|were|has|have|is|did)(?: ?not|n't) (?:be |been )?(?:receive[sd]?|sent|accepted)\b
    \bwas(?: not|n't) able to deliver|\bun(?:able|successful)\b.{0,30}\bdeliver|\bundeliver(?:ed|able)\b
    \bnon[- ]?deliver(?:y|able)|\bdelivery attempts|\bautomatically rejected|\bmessage (?:was )?rejected
    \bdel[ei]very (?:to .{0,60})?(?:has |was |is )?(?:failed|failure|aborted|problem|report|status|error|incomplete)
    \bfail(?:ed|ure) (?:to deliver|delivery|notice|recipient|mail)|\bmail (?:delivery |system )?(?:error|failed|failure)
    \breturned mail|\breturn(?:ing|ed) (?:message )?to sender|\bmailbox (?:is )?(?:full|unavailable|disabled)
    \bover ?quota|\bquota exceeded|\bpermanent (?:fatal )?error|\bfatal error
    \bunzustellbar|\bnicht zugestellt|\bkonnte nicht .{0,40}(?:zugestellt|ausgeliefert)
    \bübermittlung.{0,30}fehlgeschlagen|\bnon (?:remis|distribu|livr)
    \bn'a pas (?:pu être|été) (?:remis|distribu|livr|délivr|transmis)
    \béchec de (?:la )?(?:remise|livraison|distribution)
    \bno se (?:ha )?(?:pudo|podido) entregar|\bno (?:ha sido|fue|pudo ser) entregad|\berror (?:en|de) (?:la )?entrega
    \bnon (?:è stato|può essere|recapitat|consegnat)|\bmancat[ao] (?:recapito|consegna)
    \bnão (?:foi|pôde|pode) (?:ser )?entregue|не (?:может быть |было |удалось )?достав
""")


def is_lasting(text: str) -> bool:
    """The text says that trying again is no use; of a text that does not say, no."""
    status = code_in(text)
    if _PASSING.search(text) or status.startswith("4"):
        return False
    return status.startswith("5") or bool(_LASTING.search(text) or _UNKNOWN.search(text))


def is_passing(text: str) -> bool:
    """The text says that the server goes on trying."""
    return bool(_PASSING.search(text))


def tells_of_failure(text: str) -> bool:
    """A mail did not reach somebody, says the text."""
    return bool(_FAILED.search(text) or _UNKNOWN.search(text))


# --- answers --------------------------------------------------------------------------------------

_ANSWERED = re.compile(r"^\W*(?:(?:re|aw|sv|rv|tr|antw)\W+)?", re.IGNORECASE)
_AWAY = _any(r"""
    out[- ]of[- ](?:the[- ])?office|auto(?:matic|mated)?[ -]?(?:reply|response|answer|respond)|auto\s*:
    on (?:annual )?leave|(?:on )?(?:vacation|holidays?)\b|i am (?:away|out)|away from|absen(?:ce|t)\b|congés?\b
    abwesen|automatische (?:antwort|rückmeldung)|urlaub|(?:réponse|message) automatique
    respuesta autom|fuera de (?:la )?oficina|ausencia|risposta automatica|fuori (?:sede|ufficio)|resposta autom|ausência
    automatisch antwoord|afwezig|autosvar|automatiskt svar|frånvaro|poissa|automaattinen|automatyczna odpowied
    automatisk svar|odpowiedź automat|automatická odpov|automatikus válasz|otomatik yanıt|răspuns automat
    автоответ|автоматический ответ|αυτόματη απάντηση|自动(?:回复|答复)|自動(?:返信|応答|回覆)|不在|자동 회신
""")
_CHALLENGE = _any(r"""
    \b(?:confirm|verify|authenticate|validate) (?:your|that you(?: are|'re)?|you are)\b.{0,60}\b(?:e-?mail|message)\b
    \b(?:confirm|verify|validate) (?:your|that you(?: are|'re)?|you are)\b.{0,60}\b(?:sender|human|person)\b
    \b(?:confirm|verify|authenticate|validate) your\b.{0,60}\b(?:address|identity|request)\b
    \bsender (?:verification|confirmation|authentication)|\bverification (?:required|requested)
    \bto deliver (?:it|your (?:message|e-?mail)).{0,40}\bclick|\b(?:approved|allowed) senders?\b|\bwhitelist
    \b(?:held|quarantined|parked) (?:until|pending|awaiting)\b|\b(?:spamarrest|boxbe|tmda)\b
""")


def is_away(subject: str) -> bool:
    """The subject is that of a program which answers while a person is away."""
    return bool(_AWAY.match(_ANSWERED.sub("", subject)))


def is_challenge(text: str) -> bool:
    """A person's filter asks the sender to prove something first."""
    return bool(_CHALLENGE.search(text))
