// A tool requests its own API key, by a code that it shows or a browser that it opened. A member approves, with limits.
import { i18n } from "@lingui/core";
import { Button, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { Link, useSearch } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { FormProblem, useSubmit } from "../../parts/forms.tsx";
import { Page } from "../../parts/Page.tsx";
import { Empty } from "../../parts/States.tsx";
import { accountName, useScope } from "../../shell/account.tsx";
import { EndsField, SpendingFields } from "../keys/RuleFields.tsx";
import { NO_RULES, type RuleValues } from "../keys/rules.ts";
import { agentName } from "../settings/agents.ts";
import style from "./Connect.module.css";
import { agree, agreeByBrowser, type PendingConnection, lookUp, refuse } from "./queries.ts";

type Answer = "agreed" | "refused";

/** A tool that waits for approval of its code. */
interface Waiting extends PendingConnection {
  code: string;
}

export function ConnectPage() {
  const asked = useSearch({ from: "/shell/connect" });
  return (
    <Page title={i18n._("Connect a tool")}>
      <div className={style.column}>{asked.code_challenge === undefined ? <ByCode /> : <ByBrowser />}</div>
    </Page>
  );
}

function ByCode() {
  const [tool, setTool] = useState<Waiting | null>(null);
  const [answer, setAnswer] = useState<Answer | null>(null);
  if (answer !== null) return <Answered answer={answer} name={tool?.name ?? ""} />;
  if (tool === null) return <TypeCode onFound={setTool} />;
  return (
    <Consent
      name={tool.name}
      origin={<AskedFrom {...tool} />}
      send={async (account, values) => {
        await agree(account, tool.code, values);
        setAnswer("agreed");
      }}
      onRefuse={async () => {
        await refuse(tool.code);
        setAnswer("refused");
      }}
    >
      {i18n._("Approve only if you just started it yourself and it shows the code {code}.", { code: tool.code })}
    </Consent>
  );
}

/** Where the request came from: a phished user sees a place that is not theirs. */
function AskedFrom({ address, agent }: PendingConnection) {
  if (address === "") return i18n._("The request's origin is unknown.");
  const from = agent === "" ? address : `${address}, ${agentName(agent)}`;
  return i18n._("The request came from {from}. If your tool does not run there, deny it.", { from });
}

function TypeCode({ onFound }: { onFound: (tool: Waiting) => void }) {
  const form = useForm({ mode: "uncontrolled", initialValues: { user_code: "" } });
  const { busy, problem, submit } = useSubmit(form, async ({ user_code }) => {
    const code = user_code.trim().toUpperCase();
    if (code === "") return form.setFieldError("user_code", i18n._("Enter the code shown by your tool."));
    onFound({ code, ...(await lookUp(code)) });
  });
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p className="soft">{i18n._("Enter the code that your tool shows. The tool gets its own API key, with limits you set.")}</p>
      <TextInput
        label={i18n._("Code")}
        placeholder="BCDF-GHJK"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={20}
        data-autofocus
        className={style.code}
        key={form.key("user_code")}
        {...form.getInputProps("user_code")}
      />
      <FormProblem problem={problem} />
      <Button type="submit" loading={busy} style={{ alignSelf: "flex-start" }}>
        {i18n._("Continue")}
      </Button>
    </form>
  );
}

function ByBrowser() {
  const asked = useSearch({ from: "/shell/connect" });
  const [answer, setAnswer] = useState<Answer | null>(null);
  const name = asked.name ?? "";
  if (answer !== null) return <Answered answer={answer} name={name} />;
  return (
    <Consent
      name={name}
      origin={i18n._("The key is sent to {host}, a program on this computer.", { host: hostOf(asked.redirect_uri) })}
      send={async (account, values) => {
        const back = await agreeByBrowser(account, asked, values);
        setAnswer("agreed");
        location.assign(back);
      }}
      onRefuse={async () => setAnswer("refused")}
    >
      {i18n._("Approve only if you just started it yourself on this computer. You then return to {address}.", {
        address: asked.redirect_uri ?? "",
      })}
    </Consent>
  );
}

interface ConsentProps {
  name: string;
  origin: ReactNode; // who gets the key, if known
  children: ReactNode;
  send: (account: string, values: RuleValues) => Promise<void>;
  onRefuse: () => Promise<void>;
}

function Consent({ name, origin, children, send, onRefuse }: ConsentProps) {
  const { user, account, accounts } = useScope();
  const allowed = accounts.filter((each) => each.rights.includes("manage_keys"));
  const [chosen, setChosen] = useState((allowed.find((each) => each.id === account.id) ?? allowed[0])?.id ?? "");
  const form = useForm<RuleValues>({
    mode: "uncontrolled",
    initialValues: { ...NO_RULES, quota_usd: "10", daily_usd: "5", expires_at: "90" },
  });
  const { busy, problem, submit } = useSubmit(form, (values) => send(chosen, values));
  const refusal = useSubmit(useForm({ initialValues: {} }), onRefuse);
  if (allowed.length === 0) {
    return <Empty title={i18n._("Your role does not allow this")}>{i18n._("Owners, admins and developers can connect a tool.")}</Empty>;
  }
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p className={style.ask}>{i18n._("{name} requests an API key.", { name })}</p>
      <p className={style.origin}>{origin}</p>
      <p className="soft">{children}</p>
      {accounts.length > 1 && (
        <Select
          label={i18n._("Billed account")}
          data={allowed.map((each) => ({ value: each.id, label: accountName(each, user) }))}
          value={chosen}
          onChange={(id) => id && setChosen(id)}
          allowDeselect={false}
        />
      )}
      <SpendingFields form={form} />
      <EndsField form={form} />
      <FormProblem problem={problem ?? refusal.problem} />
      <div className="row">
        <Button type="submit" loading={busy}>
          {i18n._("Approve")}
        </Button>
        <Button variant="default" loading={refusal.busy} onClick={() => refusal.submit()}>
          {i18n._("Deny")}
        </Button>
      </div>
    </form>
  );
}

function Answered({ answer, name }: { answer: Answer; name: string }) {
  if (answer === "refused") {
    return <Empty title={i18n._("{name} was denied a key.", { name })}>{i18n._("You can close this page.")}</Empty>;
  }
  return (
    <Empty title={i18n._("{name} is fetching its key.", { name })} action={<Link to="/keys">{i18n._("See your keys")}</Link>}>
      {i18n._("Return to your tool. You can change the key's limits or revoke it at any time.")}
    </Empty>
  );
}

/** The host and port that the browser returns to. */
function hostOf(address: string | undefined): string {
  return address !== undefined && URL.canParse(address) ? new URL(address).host : "?";
}
