// Leaves the account. The last owner cannot, and sees why.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useState } from "react";
import { Confirm } from "../../parts/Confirm.tsx";
import { Section } from "../../parts/Page.tsx";
import { chooseAccount, useScope } from "../../shell/account.tsx";
import { leaveAccount, type Member } from "./queries.ts";
import style from "./Settings.module.css";

export function Leave({ members }: { members: readonly Member[] }) {
  const { account, accounts, user } = useScope();
  const [asks, setAsks] = useState(false);
  if (members.length === 1) return null; // no other member to leave it to
  const last = account.role === "owner" && members.filter((each) => each.role === "owner").length === 1;
  const next = accounts.find((each) => each.id !== account.id);
  const words = i18n._("You lose access to this account. Management keys and invitations you created are revoked; API keys keep working.");
  return (
    <Section title={i18n._("Leave the account")}>
      <div className={style.state}>
        <p className="soft">{last ? i18n._("You are its last owner. Make another member an owner first.") : words}</p>
        {!last && (
          <Button variant="default" onClick={() => setAsks(true)}>
            {i18n._("Leave")}
          </Button>
        )}
      </div>
      <Confirm
        opened={asks}
        title={i18n._("Leave the account")}
        words={words}
        label={i18n._("Leave")}
        act={async () => {
          await leaveAccount(account.id);
          chooseAccount(next?.id ?? user.id);
        }}
        onClose={() => setAsks(false)}
      />
    </Section>
  );
}
