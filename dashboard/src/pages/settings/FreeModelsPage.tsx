// Free models: off until somebody agrees to the edition's words; who agreed, when, to which words; and off again.
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
import { agreedByQuery, agreeToFreeModels, freeModelsQuery, turnOffFreeModels } from "./alertQueries.ts";
import { SettingsPage, Topic } from "./SettingsPage.tsx";

type FreeModels = Documents["FreeModelsDocument"];

export function FreeModelsPage() {
  const { account } = useScope();
  const free = useQuery(freeModelsQuery(account.id));
  return (
    <SettingsPage title={i18n._("Free models")}>
      <Await query={free} rows={4}>
        {(found) => <Consent free={found} />}
      </Await>
    </SettingsPage>
  );
}

function Consent({ free }: { free: FreeModels }) {
  const lead = i18n._("{requests} requests in {hours} hours for the account, {more} once it has topped up. All keys of the account may call them, or none.", {
    requests: free.requests,
    more: free.topped_up_requests,
    hours: free.window_hours,
  });
  return (
    <Topic title={i18n._("Free models")} lead={lead}>
      <div className={style.consent}>
        <p className="strong">
          <StatusDot status={free.on ? "good" : "off"} label="" />
          {free.on ? i18n._("On") : i18n._("Off: calls of free models are refused.")}
        </p>
        {free.consent && <Agreed consent={free.consent} />}
        <Choice free={free} />
      </div>
    </Topic>
  );
}

function Agreed({ consent }: { consent: Documents["ConsentDocument"] }) {
  const { account } = useScope();
  const name = useQuery(agreedByQuery(account.id, consent.by));
  const by = consent.by === "operator" ? i18n._("the operator") : (name.data ?? consent.by);
  return (
    <>
      <p className="soft">{i18n._("{by} agreed on {moment} to these words:", { by, moment: showTime(consent.at, "moment") })}</p>
      <blockquote className={style.words}>{consent.wording}</blockquote>
    </>
  );
}

/** Agree, agree anew where the words have changed, turn off: as far as the role may. */
function Choice({ free }: { free: FreeModels }) {
  const manages = useRight("manage");
  const { account } = useScope();
  const client = useQueryClient();
  const key = freeModelsQuery(account.id).queryKey;
  const change = useMutation({
    mutationFn: (wording: string | null) => (wording === null ? turnOffFreeModels(account.id) : agreeToFreeModels(account.id, wording)),
    onSuccess: (changed) => client.setQueryData(key, changed),
    onError: () => client.invalidateQueries({ queryKey: key }), // the words may be others by now
  });
  const others = free.consent !== null && free.consent.wording !== free.wording;
  const asks = !free.on || others;
  return (
    <>
      {asks && (
        <>
          <p className="soft">{others ? i18n._("The words have changed since. They are now:") : i18n._("To turn them on, somebody agrees to this:")}</p>
          <blockquote className={style.words}>{free.wording}</blockquote>
        </>
      )}
      <FormProblem problem={change.error instanceof Problem ? change.error : null} />
      {manages ? (
        <div className="row">
          {asks && (
            <Button onClick={() => change.mutate(free.wording)} loading={change.isPending && change.variables !== null}>
              {others ? i18n._("Agree to these words") : i18n._("I agree, turn them on")}
            </Button>
          )}
          {free.on && (
            <Button variant="default" onClick={() => change.mutate(null)} loading={change.isPending && change.variables === null}>
              {i18n._("Turn off")}
            </Button>
          )}
        </div>
      ) : (
        <p className="soft">{i18n._("Somebody who manages the account can change this.")}</p>
      )}
    </>
  );
}
