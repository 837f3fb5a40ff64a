"""How the API describes itself (OpenAPI)."""

from typing import Any

SETTINGS: dict[str, Any] = {
    "TITLE": "HPC Billing",
    "VERSION": "1.0.0",
    "DESCRIPTION": (
        "Jobs, charges, receipts, payments and prices. Amounts are exact and written as text; "
        "times carry their zone; periods include their begin and not their end."
    ),
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ReceiptStatus": "receipts.models.Receipt.Status",
        "ReceiptKind": "receipts.models.ReceiptKind",
        "ChargeKind": "pricing.models.ChargeKind",
        "PaymentStatus": "payments.models.Payment.Status",
        "Resource": "pricing.models.ResourceCode",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.rest.schema.add_problems",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
