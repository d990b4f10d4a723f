from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from chat.models import Membership, Message, Room

PEOPLE = {"ada": "lovelace", "grace": "hopper", "root": "admin"}
ADMIN = "root"
ROOMS: dict[str, list[tuple[str, str]]] = {
    "General": [
        ("grace", "Good morning! Is this thing on?"),
        ("ada", "It is. I can see you typing before you are done, too."),
        ("grace", "Then I should think before I type."),
        ("ada", "Open a second browser and log in as the other one of us. A phone will do."),
    ],
    "Engine room": [
        ("ada", "The first draft of the tables is ready. Would you read over them?"),
        ("grace", "Gladly. Send me a picture of page one."),
    ],
    "Tea break": [("grace", "Four o'clock, as ever.")],
}


class Command(BaseCommand):
    help = (
        "Creates what the demo starts with: two users, an admin, and rooms with a few messages."
        " Existing ones are left unchanged. The database must be migrated."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="even with DEBUG off; the passwords are public"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DEBUG or options["force"]):
            raise CommandError(
                "DEBUG is off, and these users' passwords are public. Use --force to create them"
                " all the same."
            )
        with transaction.atomic():
            people = {name: self.person(name, password) for name, password in PEOPLE.items()}
            for name, lines in ROOMS.items():
                self.room(name, lines, people)
        self.stdout.write("Logins for the chat (name / password):")
        for name, password in PEOPLE.items():
            note = "  (admin, also for /admin/)" if name == ADMIN else ""
            self.stdout.write(f"  {name} / {password}{note}")

    def person(self, name: str, password: str) -> Any:
        user, created = get_user_model().objects.get_or_create(
            username=name, defaults={"is_staff": name == ADMIN, "is_superuser": name == ADMIN}
        )
        if created:
            user.set_password(password)
            user.save()
        return user

    def room(self, name: str, lines: list[tuple[str, str]], people: dict[str, Any]) -> None:
        room, created = Room.objects.get_or_create(
            name=name, defaults={"created_by": people["ada"]}
        )
        if not created:
            return
        for author, text in lines:
            Message.objects.create(room=room, author=people[author], text=text)
        for user in people.values():
            Membership.objects.create(room=room, user=user)
