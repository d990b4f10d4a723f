"""Which pictures may be sent. Their first bytes tell; a name or a claimed type proves nothing."""

MAX_BYTES = 3_000_000

CONTENT_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}


def image_type(data: bytes) -> str | None:
    """The file extension for what starts with these bytes; None if it is not such a picture."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    return None
