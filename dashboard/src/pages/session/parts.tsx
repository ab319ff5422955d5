// Parts that the forms before sign-in share.
import { i18n } from "@lingui/core";
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";

export function EntryForm({ title, lead, children, onSubmit }: { title: string; lead?: string; children: ReactNode; onSubmit?: React.ComponentProps<"form">["onSubmit"] }) {
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <form className="stack" onSubmit={onSubmit} noValidate>
      <div>
        <h1>{title}</h1>
        {lead && <p className="soft" style={{ marginTop: 8 }}>{lead}</p>}
      </div>
      {children}
    </form>
  );
}

export function EmailField(props: object) {
  return <TextInput label={i18n._("E-mail")} type="email" autoComplete="username" required withAsterisk={false} {...props} />;
}

export function PasswordField({ fresh, ...props }: { fresh?: boolean; error?: ReactNode }) {
  return (
    <PasswordInput
      visibilityToggleButtonProps={{ "aria-label": i18n._("Show the password") }}
      aria-invalid={props.error ? true : undefined} // Mantine sets it on other inputs only
      label={fresh ? i18n._("New password") : i18n._("Password")}
      description={fresh ? i18n._("At least 10 characters. Long beats complicated.") : undefined}
      autoComplete={fresh ? "new-password" : "current-password"}
      required
      withAsterisk={false}
      {...props}
    />
  );
}

export function Submit({ busy, children }: { busy: boolean; children: ReactNode }) {
  return (
    <Button type="submit" loading={busy} fullWidth style={{ height: 40 }}>
      {children}
    </Button>
  );
}

/** Sign-in through another service, if the operator has one. It starts at the server, which redirects. */
export function OtherService({ name, referral }: { name: string; referral?: string | undefined }) {
  const query = referral ? `?${new URLSearchParams({ referral })}` : "";
  return (
    <Button variant="default" fullWidth component="a" href={`/api/openid/start${query}`}>
      {i18n._("Continue with {name}", { name })}
    </Button>
  );
}

/** Goes to the page after sign-in: always a path of the dashboard, whatever the address says. */
export function enter(next = "/"): void {
  const { href, pathname } = new URL(`/dashboard${next}`, location.origin);
  location.assign(pathname.startsWith("/dashboard/") ? href : "/dashboard/"); // a path with .. could lead out of the dashboard
}

/** The token of a mail's link, also when one is opened in a tab that already shows such a page. */
export function useLinkToken(): string {
  const [token, setToken] = useState(takeToken);
  useEffect(() => {
    const take = () => setToken((now) => takeToken() || now);
    addEventListener("hashchange", take);
    return () => removeEventListener("hashchange", take);
  }, []);
  return token;
}

/** Takes it from behind `#`, which browsers never send, and clears the address bar and history. */
function takeToken(): string {
  const token = location.hash.slice(1);
  if (token) history.replaceState(history.state, "", location.pathname);
  return token;
}
