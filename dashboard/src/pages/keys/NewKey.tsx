// Creates a key: purpose, limits, then the key itself, shown once.
import { i18n } from "@lingui/core";
import { Button, SegmentedControl } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { Drawer } from "../../parts/Drawer.tsx";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { useScope } from "../../shell/account.tsx";
import { usePageNames } from "../../shell/pageNames.ts";
import { keysQuery, makeKey } from "./queries.ts";
import { RuleFields } from "./RuleFields.tsx";
import { checkCount, presets, type RuleValues, toRules } from "./rules.ts";

const loadShownOnce = () => import("./ShownOnce.tsx");
const ShownOnce = lazy(async () => ({ default: (await loadShownOnce()).ShownOnce }));

export function NewKey() {
  const navigate = useNavigate();
  const [made, setMade] = useState<string | null>(null);
  const { makeKey: title } = usePageNames();
  const close = () => void navigate({ to: "/keys" });
  return (
    <Drawer title={made === null ? title : i18n._("Your key")} onClose={close} holds={made !== null}>
      <Suspense>{made === null ? <NewKeyForm onMade={setMade} /> : <ShownOnce apiKey={made} onDone={close} />}</Suspense>
    </Drawer>
  );
}

function NewKeyForm({ onMade }: { onMade: (key: string) => void }) {
  const { account } = useScope();
  const client = useQueryClient();
  const { makeKey: verb } = usePageNames();
  const all = presets();
  const [chosen, setChosen] = useState(0);
  const form = useForm<RuleValues>({
    mode: "uncontrolled",
    initialValues: all[0]!.values,
    validate: { rpm: checkCount, tpm: checkCount, concurrency: checkCount },
  });
  const { busy, problem, submit } = useSubmit(form, async (values) => {
    await loadShownOnce(); // so that no key is created that cannot be shown
    const issued = await makeKey(account.id, toRules(values, () => true));
    await client.invalidateQueries({ queryKey: keysQuery(account.id).queryKey });
    onMade(issued.key);
  });
  const choose = (id: string) => {
    const index = all.findIndex((preset) => preset.id === id);
    setChosen(index);
    form.setValues(all[index]!.values);
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div>
        <SegmentedControl
          fullWidth
          aria-label={i18n._("Purpose")}
          data={all.map(({ id, label }) => ({ value: id, label }))}
          value={all[chosen]!.id}
          onChange={choose}
        />
        <p className="soft" style={{ marginTop: 8, minHeight: 40 }}>
          {all[chosen]!.for}
        </p>
      </div>
      <RuleFields key={chosen} form={form} />
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} style={{ alignSelf: "flex-start" }}>
        {verb}
      </Button>
    </form>
  );
}
