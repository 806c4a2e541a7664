"""What can be set by variables called EVENTS_NAME."""

TITLE = "Events"
TIME_ZONE = "Europe/Vienna"
LOG_LEVEL = "INFO"
MAX_CONTENT_LENGTH = 64 * 1024
