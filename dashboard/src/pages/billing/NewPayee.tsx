// Adds a payee: an address of a kind that a processor here can pay.
import { i18n } from "@lingui/core";
import { Button, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { Documents } from "../../api/client.ts";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { methodName, payeeKind } from "./describe.ts";
import { addPayee, outlookQuery, payeesQuery } from "./queries.ts";

export function NewPayee() {
  const { account } = useScope();
  const navigate = useNavigate();
  const spends = useRight("spend");
  const outlook = useQuery(outlookQuery(account.id));
  const close = () => void navigate({ to: "/billing/withdrawals" });
  return (
    <Drawer title={i18n._("Add a payee")} onClose={close}>
      {spends ? (
        <Await query={outlook} rows={3}>
          {(found) => <PayeeForm outlook={found} onDone={close} />}
        </Await>
      ) : (
        <Empty title={i18n._("Your role does not allow this")}>{i18n._("Members who can spend can add a payee.")}</Empty>
      )}
    </Drawer>
  );
}

function PayeeForm({ outlook, onDone }: { outlook: Documents["AccountOutlookDocument"]; onDone: () => void }) {
  const { account } = useScope();
  const client = useQueryClient();
  const kinds = Object.entries(outlook.payee_kinds).flatMap(([processor, each]) => each.map((kind) => ({ processor, kind })));
  const form = useForm({ mode: "uncontrolled", initialValues: { kind: "0", address: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ kind, address }) => {
    const chosen = kinds[Number(kind)];
    if (chosen === undefined) return;
    await addPayee(account.id, { ...chosen, address: address.trim() });
    await client.invalidateQueries({ queryKey: payeesQuery(account.id).queryKey });
    onDone();
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <Select
        label={i18n._("Paid by")}
        data={kinds.map(({ processor, kind }, index) => ({ value: String(index), label: `${methodName(processor)}: ${payeeKind(kind)}` }))}
        allowDeselect={false}
        key={form.key("kind")}
        {...form.getInputProps("kind")}
      />
      <TextInput
        label={i18n._("Address")}
        description={i18n._("It cannot be changed later. Add another payee instead.")}
        autoComplete="off"
        data-autofocus
        key={form.key("address")}
        {...form.getInputProps("address")}
      />
      <p className="soft">
        {outlook.payee_days > 0
          ? i18n._("We check that it is yours. Payouts can start then, or after {count, plural, one {# day} other {# days}}.", { count: outlook.payee_days })
          : i18n._("We check that it is yours before we pay it.")}
      </p>
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} style={{ alignSelf: "flex-start" }}>
        {i18n._("Add")}
      </Button>
    </form>
  );
}
