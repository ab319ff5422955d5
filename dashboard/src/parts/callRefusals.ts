// Why a request was refused: words for the data plane's codes. A provider's own code is shown as it is.
import { i18n } from "@lingui/core";

export function callRefusal(code: string): string {
  return words()[code] ?? code;
}

function words(): Record<string, string> {
  return {
    internal_error: i18n._("Internal error. Nothing was billed. Try again."),
    invalid_request: i18n._("Invalid request."),
    context_length_exceeded: i18n._("The input exceeds the model's context."),
    invalid_api_key: i18n._("Invalid API key."),
    insufficient_quota: i18n._("The balance, the key's limit or a budget did not cover the request."),
    permission_denied: i18n._("A rule of the key or account did not allow the request."),
    not_found: i18n._("Unknown path."),
    model_not_found: i18n._("Unknown model."),
    free_models_disabled: i18n._("Free models are off for this account."),
    method_not_allowed: i18n._("This path does not support the HTTP method."),
    request_too_large: i18n._("The request was too large."),
    unsupported_encoding: i18n._("Compressed requests are not supported."),
    upgrade_required: i18n._("Only HTTP is supported."),
    rate_limit_exceeded: i18n._("Too many requests: a rate limit was reached."),
    upstream_error: i18n._("The provider failed. Nothing was billed."),
    no_provider_available: i18n._("No provider could serve the request."),
    unavailable: i18n._("Service unavailable. Nothing was billed. Try again."),
    upstream_timeout: i18n._("The provider did not respond in time. Nothing was billed."),
  };
}
