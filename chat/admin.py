from django.contrib import admin
from django.utils.html import format_html

from chat.models import Announcement, Membership, Message, Room


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "created_by", "created"]
    search_fields = ["name"]
    readonly_fields = ["slug", "created"]
    autocomplete_fields = ["created_by"]


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ["id", "room", "author", "text", "picture", "created"]
    list_filter = ["room"]
    list_select_related = ["room", "author"]
    search_fields = ["text", "author__username"]
    # Pictures come in by MessageForm, which looks at what they are.
    exclude = ["image"]
    readonly_fields = ["picture", "client_id", "created"]
    autocomplete_fields = ["room", "author"]

    @admin.display
    def picture(self, message: Message) -> str:
        url = message.image_url
        return format_html('<a href="{}">picture</a>', url) if url else ""


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin):
    list_display = ["text", "level", "active", "created"]
    list_filter = ["level", "active"]
    list_editable = ["active"]
    readonly_fields = ["created"]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ["user", "room", "last_read", "joined"]
    list_filter = ["room"]
    list_select_related = ["room", "user"]
    autocomplete_fields = ["room", "user"]
