// Revokes or deletes a key; both say what will happen first.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Confirm } from "../../parts/Confirm.tsx";
import { Section } from "../../parts/Page.tsx";
import { useScope } from "../../shell/account.tsx";
import { keyName } from "./describe.ts";
import style from "./Keys.module.css";
import { deleteKey, type Key, keysQuery, revokeKey } from "./queries.ts";

export function EndKey({ of: key }: { of: Key }) {
  const { account } = useScope();
  const client = useQueryClient();
  const navigate = useNavigate();
  const refresh = () => client.invalidateQueries({ queryKey: keysQuery(account.id).queryKey });
  const remove = async () => {
    await deleteKey(account.id, key.id);
    await navigate({ to: "/keys" });
    client.removeQueries({ queryKey: [...keysQuery(account.id).queryKey, key.id] });
    await refresh();
  };
  return (
    <Section title={i18n._("Revoke or delete")}>
      {key.revoked_at === null && (
        <Act
          name={keyName(key)}
          label={i18n._("Revoke")}
          words={i18n._("New requests are refused within a second. Responses in progress finish. This cannot be undone.")}
          act={async () => {
            await revokeKey(account.id, key.id);
            await refresh();
          }}
        />
      )}
      <Act
        name={keyName(key)}
        label={i18n._("Delete")}
        words={i18n._("The key is revoked and removed from this list. Its spending stays in your ledger and usage.")}
        act={remove}
      />
    </Section>
  );
}

function Act({ name, label, words, act }: { name: string; label: string; words: string; act: () => Promise<void> }) {
  const [asks, setAsks] = useState(false);
  return (
    <div className={style.danger}>
      <p className="soft">{words}</p>
      <Button variant="default" onClick={() => setAsks(true)}>
        {label}
      </Button>
      <Confirm opened={asks} title={`${label}: ${name}`} words={words} label={label} keep={i18n._("Keep")} act={act} onClose={() => setAsks(false)} />
    </div>
  );
}
