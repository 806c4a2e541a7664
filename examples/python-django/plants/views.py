import json

from django.core.exceptions import ValidationError
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from .models import Plant


def index(request):
    return render(request, "plants/index.html", {"plants": Plant.objects.all()})


def plant(request, number):
    return render(request, "plants/plant.html", {"plant": get_object_or_404(Plant, pk=number)})


def health(_request):
    return HttpResponse("ok", content_type="text/plain")


@csrf_exempt
@require_http_methods(["GET", "POST"])
def api(request):
    if request.method == "GET":
        return JsonResponse({"plants": list(Plant.objects.values("id", "name", "notes"))})
    try:
        given = json.loads(request.body)
        one = Plant(name=given["name"], sown=parse_datetime(given["sown"]), notes=given.get("notes", ""))
        one.full_clean()
    except (ValueError, KeyError, TypeError) as error:
        return JsonResponse({"error": f"malformed: {type(error).__name__}"}, status=400)
    except ValidationError as error:
        return JsonResponse({"error": error.message_dict}, status=422)
    one.save()
    return JsonResponse({"id": one.pk}, status=201)
