// Fields that ask the user to confirm who they are: password and authenticator code.
import { i18n } from "@lingui/core";
import { PasswordInput, TextInput } from "@mantine/core";

/** The current password. */
export function CurrentPassword({ label, ...props }: { label?: string } & object) {
  return <PasswordInput label={label ?? i18n._("Your password")} autoComplete="current-password" visibilityToggleButtonProps={{ "aria-label": i18n._("Show the password") }} {...props} />;
}

export function CodeField({ label, ...props }: { label: string } & object) {
  return <TextInput label={label} autoComplete="one-time-code" autoCapitalize="off" spellCheck={false} maw={240} {...props} />;
}
