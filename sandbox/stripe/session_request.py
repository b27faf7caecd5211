"""Checks of a request for a Checkout session: Stripe's limits, and those of the stand-in.

https://docs.stripe.com/api/checkout/sessions/create. Names and types have been checked before, by `params`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.stripe.errors import invalid, missing, unsupported
from sandbox.stripe.ids import new_id
from sandbox.stripe.money import MAXIMUM_MINOR, is_currency, minimum_minor, shown, step_minor
from sandbox.stripe.shapes import Obj

SHORTEST_S: Final = 30 * 60
LONGEST_S: Final = 24 * 3600
_CLIENT_REFERENCE_LENGTH: Final = 200
_PRODUCT_NAME_LENGTH: Final = 250
_MOST_LINES: Final = 100

ECHOED: Final = frozenset(
    "allowed_payment_method_types billing_address_collection branding_settings cancel_url client_reference_id "
    "custom_text customer_creation customer_email integration_identifier locale metadata mode origin_context "
    "payment_method_options phone_number_collection submit_type success_url ui_mode".split()
)
"""Parameters that the session shows as they were given."""

_UNDERSTOOD: Final = {
    "": ECHOED | {"currency", "expand", "expires_at", "line_items", "payment_intent_data"},
    "payment_intent_data": frozenset(
        "capture_method description metadata receipt_email statement_descriptor "
        "statement_descriptor_suffix".split()
    ),
    "payment_method_options": frozenset({"card"}),
    "payment_method_options[card]": frozenset({"request_extended_authorization", "request_three_d_secure"}),
}
_LINE: Final = frozenset({"metadata", "price", "price_data", "quantity"})
_PRICE: Final = frozenset({"currency", "product", "product_data", "unit_amount", "unit_amount_decimal"})


def check_understood(params: dict[str, Any]) -> None:
    """Refuse parameters and values that the stand-in does not support, instead of ignoring them silently.

    Raises:
        ApiError: a parameter or a value is not supported.
    """
    options = params.get("payment_method_options", {})
    given = {
        "": params,
        "payment_intent_data": params.get("payment_intent_data", {}),
        "payment_method_options": options,
        "payment_method_options[card]": options.get("card", {}),
    }
    for prefix, names in given.items():
        _check_names(names, _UNDERSTOOD[prefix], prefix)
    extended = options.get("card", {}).get("request_extended_authorization", "never")
    if extended not in {"if_available", "never"}:
        param = "payment_method_options[card][request_extended_authorization]"
        raise invalid(f"Invalid {param}: must be one of if_available or never", param=param)
    if "mode" not in params:
        raise missing("mode")
    only = {"mode": "payment", "ui_mode": "hosted_page"}
    for name, value in only.items():
        if params.get(name, value) != value:
            raise invalid(f"This stand-in knows only {name}={value}", code="sandbox_unsupported", param=name)
    if "card" not in params.get("allowed_payment_method_types", ["card"]):
        message = "No valid payment method types for this Checkout Session: the stand-in knows only cards."
        raise invalid(message, param="allowed_payment_method_types")


def _check_names(given: dict[str, Any], understood: frozenset[str], prefix: str) -> None:
    unknown = sorted(given.keys() - understood)
    if unknown:
        raise unsupported([f"{prefix}[{name}]" if prefix else name for name in unknown])


def line_items_of(params: dict[str, Any]) -> tuple[list[Obj], str]:
    """Return the session's line items, and their currency.

    Raises:
        ApiError: there are none or too many, they are malformed, or they have several currencies.
    """
    if not params.get("line_items"):
        raise missing("line_items")
    if len(params["line_items"]) > _MOST_LINES:
        raise invalid(
            f"Array line_items exceeded maximum {_MOST_LINES} allowed elements.", param="line_items"
        )
    items = [_line_item(item, f"line_items[{i}]") for i, item in enumerate(params["line_items"])]
    currencies = {item["currency"] for item in items} | {
        str(params.get("currency") or items[0]["currency"]).lower()
    }
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    return items, currencies.pop()


def _line_item(item: dict[str, Any], name: str) -> Obj:
    _check_names(item, _LINE, name)
    if "price" in item:
        message = f"No such price: '{item['price']}'"
        raise invalid(message, code="resource_missing", param=f"{name}[price]")
    if "price_data" not in item:
        raise missing(f"{name}[price_data]")
    if "quantity" not in item:
        message = f"Quantity is required. Add `quantity` to `{name}`"
        raise invalid(message, code="parameter_missing", param=f"{name}[quantity]")
    price, quantity = item["price_data"], item["quantity"]
    _check_names(price, _PRICE, f"{name}[price_data]")
    currency = price["currency"].lower()
    if not is_currency(currency):
        raise invalid(f"Invalid currency: {currency}", param=f"{name}[price_data][currency]")
    if "product" in price:
        message = f"No such product: '{price['product']}'"
        raise invalid(message, code="resource_missing", param=f"{name}[price_data][product]")
    if "product_data" not in price:
        raise missing(f"{name}[price_data][product_data]")
    _check_product_name(price["product_data"].get("name"), f"{name}[price_data][product_data][name]")
    if quantity < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid(message, code="parameter_invalid_integer", param=f"{name}[quantity]")
    amount = _unit_amount(price, f"{name}[price_data]") * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": currency,
        "description": price["product_data"]["name"],
        "quantity": quantity,
    }


def _check_product_name(text: str | None, param: str) -> None:
    if text is None:
        raise missing(param)
    if not text.strip():
        message = "You passed an empty string. Please set a product name."
        raise invalid(message, code="parameter_invalid_empty", param=param)
    if len(text) > _PRODUCT_NAME_LENGTH:
        message = f"Invalid string: must be at most {_PRODUCT_NAME_LENGTH} characters"
        raise invalid(message, code="parameter_invalid_string", param=param)


def _unit_amount(price: dict[str, Any], name: str) -> int:
    if {"unit_amount", "unit_amount_decimal"} <= price.keys():
        message = "You may only specify one of these parameters: unit_amount, unit_amount_decimal."
        raise invalid(message, code="parameters_exclusive", param=name)
    amount = price.get("unit_amount", price.get("unit_amount_decimal"))
    if amount is None:
        raise missing(f"{name}[unit_amount]")
    if amount < 0 or amount != int(amount):
        message = f"Invalid non-negative integer: {amount}"
        raise invalid(message, code="parameter_invalid_integer", param=f"{name}[unit_amount]")
    return int(Decimal(amount))


def check_total(total: int, currency: str) -> None:
    """Refuse a total that cannot be charged in this currency.

    Raises:
        ApiError: the total is too small, too large, or not a multiple of the currency's smallest coin.
    """
    minimum = minimum_minor(currency)
    if total < minimum:
        raise invalid(
            f"The Checkout Session's total amount due must add up to at least {shown(minimum, currency)} {currency}",
            code="amount_too_small",
        )
    if total > MAXIMUM_MINOR:
        raise invalid(
            "The Checkout Session's total amount must be no more than "
            f"{shown(MAXIMUM_MINOR, currency)} {currency}",
            code="amount_too_large",
        )
    if total % step_minor(currency):
        message = f"Invalid amount: amounts in {currency} must be divisible by {step_minor(currency)}."
        raise invalid(message, code="parameter_invalid_integer", param="line_items")


def check_addresses(params: dict[str, Any]) -> None:
    """Refuse malformed addresses, and references that are too long.

    Raises:
        ApiError: a malformed URL or e-mail address, no `success_url`, or a reference over 200 characters.
    """
    if "success_url" not in params:
        raise missing("success_url")
    for name in ("success_url", "cancel_url"):
        parts = urlsplit(params.get(name, "https://none"))
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise invalid("Not a valid URL", code="url_invalid", param=name)
    email = params.get("customer_email", "guest@example.com")
    local, _, domain = email.rpartition("@")
    if not local or "." not in domain or any(character.isspace() for character in email):
        raise invalid(f"Invalid email address: {email}", code="email_invalid", param="customer_email")
    if len(params.get("client_reference_id", "")) > _CLIENT_REFERENCE_LENGTH:
        message = f"Invalid string; must be at most {_CLIENT_REFERENCE_LENGTH} characters"
        raise invalid(message, param="client_reference_id")


def expires_at_of(params: dict[str, Any], now_s: int) -> int:
    """Return the session's expiry as Unix time in seconds; a day from `now_s` by default.

    Raises:
        ApiError: less than half an hour or more than a day from `now_s`.
    """
    expires_at: int = params.get("expires_at", now_s + LONGEST_S)
    if expires_at < now_s + SHORTEST_S:
        message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise invalid(message, param="expires_at")
    if expires_at > now_s + LONGEST_S:
        message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise invalid(message, param="expires_at")
    return expires_at
