from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("health/", views.health, name="health"),
    path("plants/<int:number>/", views.plant, name="plant"),
    path("api/plants/", views.api, name="api"),
]
