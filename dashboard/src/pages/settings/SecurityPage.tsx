// How the user signs in, one topic for each way, and where they are signed in now.
import { i18n } from "@lingui/core";
import { Outlet } from "@tanstack/react-router";
import { Authenticator } from "./Authenticator.tsx";
import { ConnectedServices } from "./ConnectedServices.tsx";
import { Passkeys } from "./Passkeys.tsx";
import { Password } from "./Password.tsx";
import { SettingsPage } from "./SettingsPage.tsx";
import { UserSessions } from "./UserSessions.tsx";

export function SecurityPage() {
  return (
    <SettingsPage title={i18n._("Security")}>
      <Password />
      <Authenticator />
      <Passkeys />
      <ConnectedServices />
      <UserSessions />
      <Outlet />
    </SettingsPage>
  );
}
