from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.forms import UserCreationForm
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.core.validators import RegexValidator
from django.db import IntegrityError, transaction

from chat.images import MAX_BYTES, image_type
from chat.models import Message, Room, new_client_id

NAME_TAKEN = "There is a room of this name already. Join it, or choose another name."
#: Slugs tried before the name counts as taken; from the second on they end at random.
ATTEMPTS = 5


def validate_unicode(value: str) -> None:
    # Half of a surrogate pair is legal in JavaScript's strings, and no database stores it.
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValidationError("This text contains invalid characters.", code="unicode") from None


class SignUpForm(UserCreationForm):
    """Asks for a name and a password; nothing else is needed to chat."""


class RoomForm(forms.ModelForm):
    class Meta:
        model = Room
        fields = ["name"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Room.objects.filter(name__iexact=name).exists():
            raise ValidationError(NAME_TAKEN, code="unique")
        return name

    def create(self, founder: AbstractBaseUser) -> Room | None:
        """Stores the valid room. None, and an error in the form, if its name was just taken."""
        room: Room = self.instance
        room.created_by = founder
        for _ in range(ATTEMPTS):
            room.slug = room.free_slug()
            try:
                with transaction.atomic():
                    room.save()
                return room
            except IntegrityError:
                # Since it was looked for, someone else made a room of this name, whatever its
                # capitals, or only of this slug: then another slug will do.
                if Room.objects.filter(name__iexact=room.name).exists():
                    break
        self.add_error("name", ValidationError(NAME_TAKEN, code="unique"))
        return None


class MessageForm(forms.Form):
    """One set of rules for a message, be it from a socket or from the plain HTML form."""

    text = forms.CharField(required=False, max_length=4000, validators=[validate_unicode])
    image = forms.FileField(required=False)
    client_id = forms.CharField(
        max_length=36, validators=[RegexValidator(r"\A[A-Za-z0-9-]+\Z")], initial=new_client_id
    )

    @classmethod
    def from_event(cls, data: dict[str, Any]) -> "MessageForm":
        """For what a client sent: `{"text", "client_id", "image"}`, the image as bytes, or none."""
        image = data.get("image")
        fields = {key: value for key, value in data.items() if isinstance(value, str)}
        # The name is never used: clean_image gives the file one by what is in it.
        files = {"image": SimpleUploadedFile("image", image)} if isinstance(image, bytes) else {}
        return cls(fields, files)

    def clean_image(self) -> UploadedFile | None:
        image: UploadedFile | None = self.cleaned_data["image"]
        if image is None:
            return None
        if (image.size or 0) > MAX_BYTES:
            raise ValidationError("The picture is larger than 3 MB.", code="too_large")
        extension = image_type(image.read(16))
        image.seek(0)
        if extension is None:
            raise ValidationError(
                "Only PNG, JPEG, GIF and WebP pictures can be sent.", code="not_a_picture"
            )
        image.name = f"picture.{extension}"
        return image

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if not (data.get("text") or data.get("image") or self.errors):
            raise ValidationError("Write something, or choose a picture.", code="empty")
        return data

    def save(self, room: Room, author: AbstractBaseUser) -> Message:
        """Stores the message, or returns the one that was stored when it came the first time."""
        data = self.cleaned_data
        earlier = Message.objects.complete().filter(author=author, client_id=data["client_id"])
        if stored := earlier.first():
            return stored
        message = Message(
            room=room,
            author=author,
            text=data["text"],
            client_id=data["client_id"],
            image=data["image"],
        )
        try:
            with transaction.atomic():
                message.save()
        except IntegrityError:
            # The same message came twice at the same time. Its picture is stored, its row is not.
            message.image.delete(save=False)
            return earlier.get()
        return message

    def first_error(self) -> str:
        return next(str(error) for errors in self.errors.values() for error in errors)
