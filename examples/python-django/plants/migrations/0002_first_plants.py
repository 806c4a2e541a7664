from datetime import datetime, timezone

from django.db import migrations


def sow(apps, _schema_editor):
    plant = apps.get_model("plants", "Plant")
    plant.objects.create(name="Borage", sown=datetime(2024, 4, 1, 6, tzinfo=timezone.utc), notes="For the bees.")
    plant.objects.create(name="Kale", sown=datetime(2024, 6, 15, 22, 30, tzinfo=timezone.utc))


class Migration(migrations.Migration):
    dependencies = [("plants", "0001_initial")]
    operations = [migrations.RunPython(sow, migrations.RunPython.noop)]
