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
