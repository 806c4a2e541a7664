from django.db import models


class Plant(models.Model):
    name = models.CharField(max_length=80, unique=True)
    sown = models.DateTimeField()
    notes = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name
