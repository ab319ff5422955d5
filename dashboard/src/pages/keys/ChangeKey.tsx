// Changes a key's rules; fields left alone keep their values.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Await } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { expiry } from "./describe.ts";
import { changeKey, type Key, keyQuery, keysQuery } from "./queries.ts";
import { RuleFields } from "./RuleFields.tsx";
import { checkCount, type RuleValues, toRules, valuesOf } from "./rules.ts";

export function ChangeKey() {
  const { account } = useScope();
  const { keyId } = useParams({ from: "/shell/keys/$keyId" });
  const navigate = useNavigate();
  const found = useQuery(keyQuery(account.id, keyId));
  const close = () => void navigate({ to: "/keys/$keyId", params: { keyId } });
  return (
    <Drawer title={i18n._("Limits and restrictions")} onClose={close}>
      <Await query={found} rows={8}>
        {(key) => <RulesForm of={key} onDone={close} />}
      </Await>
    </Drawer>
  );
}

function RulesForm({ of: key, onDone }: { of: Key; onDone: () => void }) {
  const { account } = useScope();
  const client = useQueryClient();
  const form = useForm<RuleValues>({
    mode: "uncontrolled",
    initialValues: valuesOf(key),
    validate: { rpm: checkCount, tpm: checkCount, concurrency: checkCount },
  });
  const { busy, problem, submit } = useSubmit(form, async (values) => {
    await changeKey(account.id, key.id, toRules(values, (field) => form.isDirty(field)));
    await client.invalidateQueries({ queryKey: keysQuery(account.id).queryKey });
    onDone();
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <RuleFields form={form} until={key.expires_at === null ? undefined : expiry(key)} />
      <FormProblem problem={problem} />
      <p className="soft">{i18n._("Changes apply within a second.")}</p>
      <Button type="submit" loading={busy} style={{ alignSelf: "flex-start" }}>
        {i18n._("Save")}
      </Button>
    </form>
  );
}
