"""The admin's texts in other languages: each is there, compiled, and shown."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import translation

from realtime.admin.pages.actions import disconnected
from realtime.templatetags.realtime_live import ago

LOCALE = Path(__file__).parent.parent / "realtime" / "locale"
LANGUAGES = ["de", "es"]


def texts(folder: Path, language: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    with (folder / language / "LC_MESSAGES" / "django.po").open("rb") as file:
        return {forms(m.id): forms(m.string) for m in read_po(file) if m.id}


def forms(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_is_translated(language: str) -> None:
    for text, translated in texts(LOCALE, language).items():
        assert all(translated), text
        for form in translated:
            assert places(form) <= places("".join(text)), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_a_guess(language: str) -> None:
    """`makemessages` marks as fuzzy what it took from a similar text, and gettext leaves it out."""
    assert "#, fuzzy" not in (LOCALE / language / "LC_MESSAGES" / "django.po").read_text()


def places(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]|%d|\{\w+\}", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = {forms(m.id): forms(m.string) for m in read_mo(file) if m.id}
    written = {text: said for text, said in texts(LOCALE, language).items() if all(said)}
    assert compiled == written, "make messages"


@pytest.mark.gettext
def test_catalogues_have_each_text_of_the_code(tmp_path: Path) -> None:
    copy = tmp_path / "realtime"
    shutil.copytree(LOCALE.parent, copy, ignore=shutil.ignore_patterns("static", "__pycache__"))
    # In isolated mode, because the folder has a json.py.
    command = [sys.executable, "-I", "-m", "django", "makemessages", "--all", "--no-location"]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    for language in LANGUAGES:
        found, kept = texts(copy / "locale", language), texts(LOCALE, language)
        assert found.keys() == kept.keys(), "make messages"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ["Räume", "Kein Server hat geantwortet", "Verbindung wird", "Ereignis senden"]),
        ("es", ["Salas", "Ningún servidor respondió", "Conectando", "Emitir un evento"]),
    ],
)
def test_pages_and_what_their_scripts_say_are_translated(
    client: Client, language: str, words: list[str]
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    with override_settings(LANGUAGE_CODE=language):
        page = client.get("/admin/realtime/room/view/?namespace=/&room=lobby").content.decode()
    # What scripts say is JSON in an attribute.
    page = re.sub(r"\\u(\w{4})", lambda match: chr(int(match[1], 16)), unescape(page))
    for word in words:
        assert word in page, word


@pytest.mark.parametrize(
    ("passed", "english", "german"),
    [
        (timedelta(seconds=-3), "just now", "gerade eben"),
        (timedelta(seconds=59), "just now", "gerade eben"),
        (timedelta(seconds=61), "1 minute ago", "vor 1 Minute"),
        (timedelta(minutes=3, seconds=9), "3 minutes ago", "vor 3 Minuten"),
        (timedelta(hours=1, minutes=59), "1 hour ago", "vor 1 Stunde"),
        (timedelta(hours=23, minutes=59), "23 hours ago", "vor 23 Stunden"),
        (timedelta(days=2, hours=1), "2 days ago", "vor 2 Tagen"),
    ],
    ids=str,
)
def test_times_are_told_as_people_say_them(passed: timedelta, english: str, german: str) -> None:
    moment = datetime.now(UTC) - passed
    with translation.override("en"):
        assert ago(moment) == english
    with translation.override("de"):
        assert ago(moment) == german


def test_counts_have_the_plural_of_the_language() -> None:
    with translation.override("es"):
        assert disconnected(1) == "Se desconectó 1 socket."
        assert disconnected(3) == "Se desconectaron 3 sockets."
