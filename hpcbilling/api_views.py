"""The API's schema, the page to browse it, and what is answered where there is nothing."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.parsing import refuse_unknown
from core.rest.views import Endpoint


class SchemaView(Endpoint, SpectacularAPIView):
    """The OpenAPI schema, for everyone: YAML, or JSON if the client asks for that."""

    throttle_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_unknown(request, ())
        answer: Response = SpectacularAPIView.get(self, request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return answer


class SwaggerView(SpectacularSwaggerSplitView):
    """A page to read and try the API; its script comes from its own address, as the CSP wants."""

    template_name = "api/docs.html"
    url_name = "api-schema"
    throttle_classes = ()


class NothingHere(Endpoint):
    """Tell programs in their own way that an address does not exist."""

    permission_classes = ()
    authentication_classes = ()

    @extend_schema(exclude=True)
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404
