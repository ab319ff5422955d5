// Free models: off until a member agrees to the edition's terms; who agreed, when and to which; and a way to turn them off.
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
  const lead = i18n._("{requests} requests every {hours} hours, {more} after the first top-up, across all keys of the account.", {
    requests: free.requests,
    more: free.topped_up_requests,
    hours: free.window_hours,
  });
  return (
    <Topic title={i18n._("Free models")} lead={lead}>
      <div className={style.consent}>
        <p className="strong">
          <StatusDot status={free.on ? "good" : "off"} label="" />
          {free.on ? i18n._("On") : i18n._("Off: requests to free models are refused.")}
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
      <p className="soft">{i18n._("{by} agreed to these terms on {moment}:", { by, moment: showTime(consent.at, "moment") })}</p>
      <blockquote className={style.words}>{consent.wording}</blockquote>
    </>
  );
}

/** Agree, agree again after the terms have changed, or turn off, as the role allows. */
function Choice({ free }: { free: FreeModels }) {
  const manages = useRight("manage");
  const { account } = useScope();
  const client = useQueryClient();
  const key = freeModelsQuery(account.id).queryKey;
  const change = useMutation({
    mutationFn: (wording: string | null) => (wording === null ? turnOffFreeModels(account.id) : agreeToFreeModels(account.id, wording)),
    onSuccess: (changed) => client.setQueryData(key, changed),
    onError: () => client.invalidateQueries({ queryKey: key }), // the terms may have changed
  });
  const others = free.consent !== null && free.consent.wording !== free.wording;
  const asks = !free.on || others;
  return (
    <>
      {asks && (
        <>
          <p className="soft">{others ? i18n._("The terms have changed since. They now read:") : i18n._("To turn them on, agree to this:")}</p>
          <blockquote className={style.words}>{free.wording}</blockquote>
        </>
      )}
      <FormProblem problem={change.error instanceof Problem ? change.error : null} />
      {manages ? (
        <div className="row">
          {asks && (
            <Button onClick={() => change.mutate(free.wording)} loading={change.isPending && change.variables !== null}>
              {others ? i18n._("Agree to these terms") : i18n._("Agree and turn on")}
            </Button>
          )}
          {free.on && (
            <Button variant="default" onClick={() => change.mutate(null)} loading={change.isPending && change.variables === null}>
              {i18n._("Turn off")}
            </Button>
          )}
        </div>
      ) : (
        <p className="soft">{i18n._("Members who can manage the account can change this.")}</p>
      )}
    </>
  );
}
