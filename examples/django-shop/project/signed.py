"""Each answer names the release that gave it."""

import os
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Answer = Callable[[HttpRequest], HttpResponse]


def signed(answer: Answer) -> Answer:
    """A middleware."""

    def with_revision(request: HttpRequest) -> HttpResponse:
        said = answer(request)
        said["x-revision"] = os.environ.get("CROSSFADE_REVISION", "")
        return said

    return with_revision
