// Why a call was refused: words for the codes of the data plane. A vendor's own code is shown as it is.
import { i18n } from "@lingui/core";

export function callRefusal(code: string): string {
  return words()[code] ?? code;
}

function words(): Record<string, string> {
  return {
    internal_error: i18n._("A fault of ours. Nothing was billed; call again."),
    invalid_request: i18n._("The request was not valid."),
    context_length_exceeded: i18n._("The input does not fit the model."),
    invalid_api_key: i18n._("The API key is not valid."),
    insufficient_quota: i18n._("The balance, or a limit of the key, did not cover the call."),
    permission_denied: i18n._("A rule of the key or of the account did not allow the call."),
    not_found: i18n._("There is nothing at this path."),
    model_not_found: i18n._("There is no such model."),
    free_models_disabled: i18n._("Free models are not turned on for this account."),
    method_not_allowed: i18n._("This path takes another method."),
    request_too_large: i18n._("The request was too large."),
    unsupported_encoding: i18n._("The request was compressed, which is not supported."),
    upgrade_required: i18n._("Only HTTP is spoken here."),
    rate_limit_exceeded: i18n._("Too many calls at once: a rate limit was reached."),
    upstream_error: i18n._("The provider failed. Nothing was billed."),
    no_provider_available: i18n._("No provider could take the call."),
    unavailable: i18n._("Our database did not answer. Nothing was billed."),
    upstream_timeout: i18n._("The provider did not answer in time. Nothing was billed."),
  };
}
