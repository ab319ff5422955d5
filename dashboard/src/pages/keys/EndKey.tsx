// Revokes a key, or takes it off the list: both say what will happen before they do it.
import { i18n } from "@lingui/core";
import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Problem } from "../../api/client.ts";
import { FormProblem } from "../../parts/forms.tsx";
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
    <Section title={i18n._("End this key")}>
      {key.revoked_at === null && (
        <Act
          name={keyName(key)}
          label={i18n._("Revoke")}
          words={i18n._("Calls with it are refused within a second. Answers that are on their way finish. It cannot be undone.")}
          act={async () => {
            await revokeKey(account.id, key.id);
            await refresh();
          }}
        />
      )}
      <Act
        name={keyName(key)}
        label={i18n._("Delete")}
        words={i18n._("It is revoked, and leaves this list. What it spent stays in your ledger and usage.")}
        act={remove}
      />
    </Section>
  );
}

function Act({ name, label, words, act }: { name: string; label: string; words: string; act: () => Promise<void> }) {
  const [asks, setAsks] = useState(false);
  const done = useMutation({ mutationFn: act, onSuccess: () => setAsks(false) });
  return (
    <div className={style.danger}>
      <p className="soft">{words}</p>
      <Button variant="default" onClick={() => setAsks(true)}>
        {label}
      </Button>
      <Modal
        opened={asks}
        onClose={() => setAsks(false)}
        title={`${label}: ${name}`}
        closeButtonProps={{ "aria-label": i18n._("Close") }}
      >
        <div className="stack">
          <p>{words}</p>
          <FormProblem problem={done.error instanceof Problem ? done.error : null} />
          <div className="row">
            <Button color="signal" onClick={() => done.mutate()} loading={done.isPending}>
              {label}
            </Button>
            <Button variant="default" onClick={() => setAsks(false)} data-autofocus>
              {i18n._("Keep it")}
            </Button>
          </div>
        </div>
      </Modal>
    </div>
  );
}
