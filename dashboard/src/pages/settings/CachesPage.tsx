// Caches: who shares repeated answers, and whether similar requests may be answered from earlier ones.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Documents, Problem } from "../../api/client.ts";
import { FormProblem } from "../../parts/forms.tsx";
import { Await } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { showTime } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import style from "./Alerts.module.css";
import { cachingQuery, changeCaching } from "./alertQueries.ts";
import { SettingsPage, Topic } from "./SettingsPage.tsx";

type Caching = Documents["CachingDocument"];
type Semantic = Documents["SemanticDocument"];

export function CachesPage() {
  const { account } = useScope();
  const caching = useQuery(cachingQuery(account.id));
  return (
    <SettingsPage title={i18n._("Caches")}>
      <Await query={caching} rows={4}>
        {(found) => <Topics caching={found} />}
      </Await>
    </SettingsPage>
  );
}

function Topics({ caching }: { caching: Caching }) {
  if (!caching.exact) {
    return <p className="soft">{i18n._("No cache is offered here: each request goes to its provider.")}</p>;
  }
  return (
    <>
      <Repeats caching={caching} />
      {caching.semantic && <OtherWords semantic={caching.semantic} />}
    </>
  );
}

function Repeats({ caching }: { caching: Caching }) {
  const lead = i18n._("An identical request within {minutes} minutes gets the same answer, free of charge.", { minutes: Math.round(caching.seconds / 60) });
  const said = caching.shared ? i18n._("Shared by all keys and end users of the account") : i18n._("Separate for each key and end user");
  return (
    <Topic title={i18n._("Repeated requests")} lead={lead}>
      <Choice on={caching.shared} said={said} body={{ shared: !caching.shared }} act={caching.shared ? i18n._("Keep separate") : i18n._("Share answers")} />
    </Topic>
  );
}

function OtherWords({ semantic }: { semantic: Semantic }) {
  const on = semantic.state === "on";
  const byRequest = semantic.by_request;
  const lead = i18n._("A rephrased question may get an earlier answer, free of charge: short English questions without a system prompt, for {minutes} minutes. Such an answer can be wrong, so the first {trial} are only compared with the provider's, and the cache turns itself off when answers differ.",
    { minutes: semantic.minutes, trial: semantic.trial },
  );
  return (
    <Topic title={i18n._("Similar requests")} lead={lead}>
      <Choice on={on} said={sayState(semantic)} body={{ semantic: !on }} act={on ? i18n._("Turn off") : i18n._("Turn on")} primary={!on} />
      <Choice
        on={byRequest}
        said={byRequest ? i18n._("While off, single requests can ask for it") : i18n._("While off, requests that ask for it are refused")}
        body={{ semantic_by_request: !byRequest }}
        act={byRequest ? i18n._("Refuse") : i18n._("Allow")}
      />
    </Topic>
  );
}

function sayState({ state, compared, trial, stopped_at }: Semantic): string {
  if (state === "stopped") {
    return i18n._("Stopped on {moment}: two of the last 50 answers differed from the provider's. If you turn it on again, it starts with a new trial.", {
      moment: stopped_at === null ? "" : showTime(stopped_at, "moment"),
    });
  }
  if (state === "off") return i18n._("Off");
  return compared < trial ? i18n._("On: {compared} of {trial} answers compared, none served yet", { compared, trial }) : i18n._("On");
}

interface ChoiceProps {
  on: boolean;
  said: string;
  act: string;
  body: Documents["CachingBody"];
  primary?: boolean;
}

/** The current setting, and a button for the other one, for owners only. */
function Choice({ on, said, act, body, primary = false }: ChoiceProps) {
  const owns = useRight("own");
  const { account } = useScope();
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: () => changeCaching(account.id, body),
    onSuccess: (changed) => client.setQueryData(cachingQuery(account.id).queryKey, changed),
  });
  return (
    <div className={style.consent}>
      <p className="strong">
        <StatusDot status={on ? "good" : "off"} label="" />
        {said}
      </p>
      <FormProblem problem={change.error instanceof Problem ? change.error : null} />
      {owns ? (
        <div className="row">
          <Button variant={primary ? "filled" : "default"} onClick={() => change.mutate()} loading={change.isPending}>
            {act}
          </Button>
        </div>
      ) : (
        <p className="soft">{i18n._("Owners can change this.")}</p>
      )}
    </div>
  );
}
