import os

bind = "0.0.0.0:" + os.environ.get("PORT", "5000")
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
threads = 4
accesslog = None
loglevel = "warning"
