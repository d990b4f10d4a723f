from django.contrib.auth.models import User
from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    owner = models.ForeignKey(User, models.CASCADE, null=True)
    team = models.CharField(max_length=20, default="red")
    status = models.CharField(max_length=20, default="new")
    total = models.IntegerField(default=0)
    data = models.JSONField(default=dict)
    secret = models.CharField(max_length=20, default="")
    tags = models.ManyToManyField(Tag, related_name="orders")

    def __str__(self) -> str:
        return f"{self.status}, {self.total}"


class UrgentOrder(Order):
    class Meta:
        proxy = True


class GiftOrder(Order):
    card = models.CharField(max_length=20, default="")


class Board(models.Model):
    watchers = models.ManyToManyField(User, through="Watch")

    def __str__(self) -> str:
        return f"board {self.pk}"


class Watch(models.Model):
    """Who watches a board: a row of its own, as projects have for a role or a date."""

    board = models.ForeignKey(Board, models.CASCADE)
    user = models.ForeignKey(User, models.CASCADE)

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.board_id}"


class Shelf(models.Model):
    tags = models.ManyToManyField(Tag, through="Tagging", through_fields=("shelf", "tag"))

    def __str__(self) -> str:
        return f"shelf {self.pk}"


class Box(models.Model):
    tags = models.ManyToManyField(Tag, through="Tagging", through_fields=("box", "tag"))

    def __str__(self) -> str:
        return f"box {self.pk}"


class Tagging(models.Model):
    """The rows of two relations."""

    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True)
    box = models.ForeignKey(Box, models.CASCADE, null=True)
    tag = models.ForeignKey(Tag, models.CASCADE)

    def __str__(self) -> str:
        return f"{self.tag_id} of {self.shelf_id or self.box_id}"


class Line(models.Model):
    price = models.DecimalField(max_digits=9, decimal_places=2)
    count = models.IntegerField(default=1)
    total = models.GeneratedField(
        expression=models.F("price") * models.F("count"),
        output_field=models.DecimalField(max_digits=12, decimal_places=2),
        db_persist=True,
    )
    due = models.DateField(null=True)

    def __str__(self) -> str:
        return f"{self.count} for {self.total}"


class Seat(models.Model):
    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()
    guest = models.CharField(max_length=20)

    def __str__(self) -> str:
        return f"{self.row}, {self.number}: {self.guest}"
