"""Our own words in notices, in the languages we write in: what one mail of one purpose says to one person.

A language is one row of the table below; one we do not have falls back to English.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NoticeKind = Literal["confirm", "welcome", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWords:
    """One purpose in one language; `{newsletter}`, `{site}`, `{days}` and `{date}` are filled in.

    `after` stands behind the button; `term` only where a term is given.
    """

    subject: str
    heading: str
    body: str
    button: str = ""
    after: str = ""
    term: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWords:
    """What the links of notices are called."""

    preferences: str
    unsubscribe: str
    archive: str


_ENGLISH: dict[NoticeKind, NoticeWords] = {
    "confirm": NoticeWords(
        subject="Please confirm: {newsletter}",
        heading="Is this your subscription?",
        body="Somebody asked {site} to send {newsletter} to this address. One click says that it was you.",
        button="Yes, subscribe me",
        after="If it was not you, do nothing: no newsletter will come, and no reminder.",
        term="The button works until {date}.",
    ),
    "welcome": NoticeWords(
        subject="Welcome: {newsletter}",
        heading="You are subscribed",
        body="From now on {newsletter} of {site} comes to this address. "
        "You may change what you get, or leave, at any time.",
    ),
    "disabled": NoticeWords(
        subject="{newsletter} did not reach you",
        heading="We have stopped for now",
        body="Several mails to this address came back to us, so {site} sends {newsletter} no longer.",
        button="Yes, go on sending",
        after="If you read this, the address works again: one click brings the newsletter back.",
        term="Without an answer the subscription ends on {date}.",
    ),
}
_FRENCH: dict[NoticeKind, NoticeWords] = {
    "confirm": NoticeWords(
        subject="À confirmer\u00a0: {newsletter}",
        heading="Cet abonnement est-il le vôtre\u00a0?",
        body="Quelqu’un a demandé à {site} d’envoyer {newsletter} à cette adresse. Un clic confirme que c’était vous.",
        button="Oui, je m’abonne",
        after="Si ce n’était pas vous, ne faites rien\u00a0: vous ne recevrez ni lettre ni rappel.",
        term="Le bouton fonctionne jusqu’au {date}.",
    ),
    "welcome": NoticeWords(
        subject="Bienvenue\u00a0: {newsletter}",
        heading="Vous êtes abonné(e)",
        body="Désormais, {newsletter} de {site} arrive à cette adresse. "
        "Vous pouvez à tout moment changer ce que vous recevez, ou vous désabonner.",
    ),
    "disabled": NoticeWords(
        subject="{newsletter} ne vous est pas parvenue",
        heading="Envois suspendus",
        body="Plusieurs messages à cette adresse nous sont revenus\u00a0: {site} n’envoie donc plus {newsletter}.",
        button="Oui, continuez l’envoi",
        after="Si vous lisez ceci, l’adresse fonctionne de nouveau\u00a0: un clic rétablit l’abonnement.",
        term="Sans réponse, l’abonnement prend fin le {date}.",
    ),
}
_GERMAN: dict[NoticeKind, NoticeWords] = {
    "confirm": NoticeWords(
        subject="Bitte bestätigen: {newsletter}",
        heading="Ist das Ihr Abonnement?",
        body="Jemand hat {site} gebeten, {newsletter} an diese Adresse zu senden. "
        "Ein Klick bestätigt, dass Sie es waren.",
        button="Ja, abonnieren",
        after="Wenn Sie es nicht waren, ist nichts zu tun: Es kommt kein Newsletter und keine Erinnerung.",
        term="Die Schaltfläche gilt bis zum {date}.",
    ),
    "welcome": NoticeWords(
        subject="Willkommen: {newsletter}",
        heading="Ihr Abonnement ist bestätigt",
        body="Von nun an kommt {newsletter} von {site} an diese Adresse. "
        "Sie können jederzeit ändern, was Sie erhalten, oder sich abmelden.",
    ),
    "disabled": NoticeWords(
        subject="{newsletter} hat Sie nicht erreicht",
        heading="Der Versand ruht",
        body="Mehrere Mails an diese Adresse kamen zurück; {site} sendet {newsletter} daher nicht mehr.",
        button="Ja, bitte weiter senden",
        after="Wenn Sie dies lesen, ist die Adresse wieder erreichbar: Ein Klick setzt das Abonnement fort.",
        term="Ohne Antwort endet das Abonnement am {date}.",
    ),
}
_SPANISH: dict[NoticeKind, NoticeWords] = {
    "confirm": NoticeWords(
        subject="Confirme, por favor: {newsletter}",
        heading="¿Es suya esta suscripción?",
        body="Alguien pidió a {site} que enviara {newsletter} a esta dirección. Un clic confirma que fue usted.",
        button="Sí, suscribirme",
        after="Si no fue usted, no haga nada: no llegará ningún boletín ni recordatorio.",
        term="El botón funciona hasta el {date}.",
    ),
    "welcome": NoticeWords(
        subject="Le damos la bienvenida: {newsletter}",
        heading="Su suscripción está confirmada",
        body="Desde ahora {newsletter} de {site} llega a esta dirección. "
        "En todo momento puede cambiar lo que recibe o darse de baja.",
    ),
    "disabled": NoticeWords(
        subject="{newsletter} no le llegó",
        heading="Envíos en pausa",
        body="Varios correos a esta dirección nos fueron devueltos, así que {site} ya no envía {newsletter}.",
        button="Sí, sigan enviando",
        after="Si lee esto, la dirección vuelve a funcionar: un clic recupera la suscripción.",
        term="Sin respuesta, la suscripción termina el {date}.",
    ),
}
NOTICES = {"en": _ENGLISH, "fr": _FRENCH, "de": _GERMAN, "es": _SPANISH}
LINKS = {
    "en": LinkWords(preferences="Your preferences", unsubscribe="Unsubscribe", archive="Past issues"),
    "fr": LinkWords(preferences="Vos préférences", unsubscribe="Se désabonner", archive="Numéros précédents"),
    "de": LinkWords(preferences="Ihre Einstellungen", unsubscribe="Abbestellen", archive="Frühere Ausgaben"),
    "es": LinkWords(preferences="Sus preferencias", unsubscribe="Darse de baja", archive="Números anteriores"),
}
