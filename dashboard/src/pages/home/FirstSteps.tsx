// The first steps: a checklist that ticks itself, until the first request has arrived.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type Documents, Problem } from "../../api/client.ts";
import { callOnce, firstModel } from "../../api/models.ts";
import { toDigits } from "../../parts/amounts.ts";
import { Claim } from "../../parts/Claim.tsx";
import { ClientCommand } from "../../parts/ClientCommand.tsx";
import { Code } from "../../parts/Code.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { showTime, timeLeft } from "../../parts/Time.tsx";
import { usePageNames } from "../../shell/pageNames.ts";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Home.module.css";
import { homeQuery, makeFirstKey } from "./queries.ts";
import { whyRefused } from "../rewards/refused.ts";

export function FirstSteps({ home }: { home: Documents["HomeDocument"] }) {
  const [key, setKey] = useState<string | null>(null);
  const { claimed, has_key } = home.first_steps;
  const { welcome } = home.rewards;
  const { makeKey } = usePageNames();
  const claims = claimed !== null;
  const now = claims && !claimed ? "claim" : !has_key && key === null ? "key" : "call";
  return (
    <ol className={style.steps} aria-label={i18n._("Your first request")}>
      {claims && (
        <Step title={i18n._("Claim {amount}", { amount: toDigits(welcome.usd) })} done={claimed} now={now === "claim"}>
          {!claimed && <ClaimIfAllowed welcome={welcome} />}
        </Step>
      )}
      <Step title={makeKey} done={has_key || key !== null} now={now === "key"}>
        {now === "claim" && <p className="soft">{i18n._("It lets your tools call models.")}</p>}
        {now !== "claim" && <MakeKey made={key} again={has_key} onMade={setKey} />}
      </Step>
      <Step title={i18n._("Copy a command")} done={false} now={now === "call"}>
        {now === "call" ? <ClientCommand apiKey={key} /> : <p className="soft">{i18n._("For curl, the SDKs and coding agents.")}</p>}
      </Step>
      <Step title={i18n._("See your request arrive")} done={false} now={now === "call"}>
        {now === "call" ? <Arrival apiKey={key} /> : <p className="soft">{i18n._("It appears here as soon as it ends, with its exact cost.")}</p>}
      </Step>
    </ol>
  );
}

function Step({ title, done, now, children }: { title: string; done: boolean; now: boolean; children?: ReactNode }) {
  return (
    <li className={style.step} data-done={done} data-now={now} aria-current={now ? "step" : undefined}>
      <div className={style.body}>
        <h2>{title}</h2>
        {children}
      </div>
    </li>
  );
}

function ClaimIfAllowed({ welcome }: { welcome: Documents["WelcomeDocument"] }) {
  const allowed = useRight("spend");
  if (welcome.stage === "review") return <p className="soft">{i18n._("We are reviewing it. You will get an e-mail.")}</p>;
  if (welcome.stage !== "open") return <p className="soft">{whyRefused(welcome)}</p>;
  if (!allowed) return <p className="soft">{i18n._("Members who can spend can claim this.")}</p>;
  return (
    <div>
      {welcome.open_until && (
        <p className="soft">
          {i18n._("Claim it by {moment}; {time} left.", { moment: showTime(welcome.open_until, "moment"), time: timeLeft(welcome.open_until) })}
        </p>
      )}
      <Claim welcome={welcome} />
    </div>
  );
}

/** `again`: a key exists but was shown elsewhere; another one can be created here. */
function MakeKey({ made, again, onMade }: { made: string | null; again: boolean; onMade: (key: string) => void }) {
  const { account } = useScope();
  const allowed = useRight("manage_keys");
  const { makeKey } = usePageNames();
  const make = useMutation({
    mutationFn: () => makeFirstKey(account.id, i18n._("first key")),
    onSuccess: (issued) => onMade(issued.key),
  });
  if (made !== null)
    return (
      <div className={style.wide}>
        <p className="soft">{i18n._("Copy it now. It is not shown again.")}</p>
        <Code text={made} label={i18n._("Your key")} />
      </div>
    );
  if (!allowed) return <p className="soft">{i18n._("Members who can manage keys can create one for you.")}</p>;
  return (
    <>
      <p className="soft">
        {again
          ? i18n._("You have a key. It was only shown when it was created.")
          : i18n._("A key lets your tools call models. It can have limits; you can revoke it at any time.")}
      </p>
      <FormProblem problem={make.error instanceof Problem ? make.error : null} />
      <Button variant={again ? "default" : "filled"} onClick={() => make.mutate()} loading={make.isPending}>
        {again ? i18n._("Create another") : makeKey}
      </Button>
    </>
  );
}

/** Waits for the first request, which can be sent from here with a newly created key. */
function Arrival({ apiKey }: { apiKey: string | null }) {
  const { account } = useScope();
  const client = useQueryClient();
  const send = useMutation({
    mutationFn: async (key: string) => callOnce(key, await firstModel(key)),
    onSuccess: () => client.invalidateQueries({ queryKey: homeQuery(account.id).queryKey }),
  });
  return (
    <>
      <p className="soft">{i18n._("It appears here as soon as it ends, with its exact cost.")}</p>
      {apiKey !== null && (
        <div className="row">
          <Button variant="default" onClick={() => send.mutate(apiKey)} loading={send.isPending}>
            {i18n._("Send it from here")}
          </Button>
          <span className="soft">{i18n._("No terminal? This sends “Hello” with your new key.")}</span>
        </div>
      )}
      {send.error && (
        <p role="alert" className="bad">
          {send.error.message}
        </p>
      )}
    </>
  );
}
