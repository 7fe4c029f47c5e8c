"""Where the database is, and little else."""

import os

from psycopg.conninfo import conninfo_to_dict

_PLACE = conninfo_to_dict(os.environ["DATABASE_URL"])

SECRET_KEY = "an example signs nothing"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "project.urls"
MIDDLEWARE = ["project.signed.signed"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _PLACE.get("dbname", ""),
        "HOST": _PLACE.get("host", ""),
        "PORT": _PLACE.get("port", ""),
        "USER": _PLACE.get("user", ""),
        "PASSWORD": _PLACE.get("password", ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": f"shop@{os.environ.get('CROSSFADE_REVISION', 'manage')}"},
    }
}
