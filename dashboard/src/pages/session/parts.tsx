// What the forms before sign-in share.
import { i18n } from "@lingui/core";
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

export function DoorForm({ title, lead, children, onSubmit }: { title: string; lead?: string; children: ReactNode; onSubmit?: React.ComponentProps<"form">["onSubmit"] }) {
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

export function PasswordField({ fresh, ...props }: { fresh?: boolean } & object) {
  return (
    <PasswordInput
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

/** Where somebody goes who has just signed in. A path of the dashboard, whatever the address says. */
export function enter(next = "/"): void {
  location.assign(`/dashboard${next.startsWith("/") ? next : "/"}`);
}

/** The token of a mail's link: behind `#`, which browsers send to no server. It leaves the address bar and the history. */
export function linkToken(): string {
  const token = location.hash.slice(1);
  if (token) history.replaceState(history.state, "", location.pathname);
  return token;
}
