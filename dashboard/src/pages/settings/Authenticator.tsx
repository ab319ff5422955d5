// Whether sign-in asks for an authenticator code.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { useScope } from "../../shell/account.tsx";
import style from "./Settings.module.css";
import { Topic } from "./SettingsPage.tsx";

export function Authenticator() {
  const { user } = useScope();
  return (
    <Topic title={i18n._("Authenticator app")} lead={i18n._("A six-digit code from your phone, in addition to the password.")}>
      <div className={style.state}>
        <p>
          <StatusDot status={user.totp ? "good" : "off"} label="" />
          {user.totp ? i18n._("On: sign-in asks for a code.") : i18n._("Off: the password alone is enough.")}
        </p>
        {user.totp && (
          <Button variant="default" component={Link} to="/settings/security/recovery-codes">
            {i18n._("New recovery codes")}
          </Button>
        )}
        <Button variant="default" component={Link} to="/settings/security/authenticator">
          {user.totp ? i18n._("Turn off") : i18n._("Set up")}
        </Button>
      </div>
    </Topic>
  );
}
