// Auto top-up: its state and why, what it may charge, and a button that turns it off at once.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Documents, Problem } from "../../api/client.ts";
import { editionQuery } from "../../api/queries.ts";
import { share, toCents } from "../../parts/amounts.ts";
import { FormProblem } from "../../parts/forms.tsx";
import { Meter } from "../../parts/Meter.tsx";
import { Money } from "../../parts/Money.tsx";
import { Page, Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { type Status, StatusDot } from "../../parts/StatusDot.tsx";
import { showTime } from "../../parts/Time.tsx";
import { useRight, useScope } from "../../shell/account.tsx";
import { AutoTopUpForm, savedName } from "./AutoTopUpForm.tsx";
import style from "./Billing.module.css";
import { autoTopUpQuery, switchOffAutoTopUp } from "./queries.ts";
import { useBillingTabs } from "./tabs.ts";
import { stopReason } from "./reasons.ts";

type AutoTopUp = Documents["AutoTopUpDocument"];

export function AutoTopUpPage() {
  const { account } = useScope();
  const auto = useQuery(autoTopUpQuery(account.id));
  return (
    <Page title={i18n._("Auto top-up")} heading={i18n._("Billing")} tabs={useBillingTabs()}>
      <Await query={auto} rows={6}>
        {(found) =>
          found.bounds.offered || found.enabled ? (
            <Contents of={found} />
          ) : (
            <Empty title={i18n._("Auto top-up is not offered here.")}>{i18n._("Top up manually, any time.")}</Empty>
          )
        }
      </Await>
    </Page>
  );
}

function Contents({ of: auto }: { of: AutoTopUp }) {
  const spends = useRight("spend");
  const { data: edition } = useQuery(editionQuery);
  return (
    <>
      <State of={auto} />
      {spends && auto.saved_methods.length === 0 && !auto.enabled && <NothingSaved />}
      {spends && auto.saved_methods.length > 0 && edition && (
        <Section title={auto.enabled ? i18n._("Change") : i18n._("Turn on")}>
          <AutoTopUpForm key={auto.changed_at} of={auto} offer={edition.topups} />
        </Section>
      )}
      <Section title={i18n._("When it stops")}>
        <ul className={style.brakes}>
          {brakes(auto).map((brake) => (
            <li key={brake}>{brake}</li>
          ))}
        </ul>
      </Section>
    </>
  );
}

function State({ of: auto }: { of: AutoTopUp }) {
  const { status, title, words } = describe(auto);
  return (
    <section aria-label={i18n._("State")} aria-live="polite">
      <div className={style.state}>
        <div>
        <p className={`figure ${style.headline}`}>
          <StatusDot status={status} label="" />
          {title}
        </p>
        {words.map((sentence) => (
          <p key={sentence} className="soft">
            {sentence}
          </p>
        ))}
        </div>
        {auto.enabled && <SwitchOff />}
      </div>
      {auto.month_usd !== null && <ThisMonth charged={auto.this_month_usd} most={auto.month_usd} />}
    </section>
  );
}

function ThisMonth({ charged, most }: { charged: string; most: string }) {
  return (
    <div className={style.month}>
      <p className="soft">{i18n._("Charged this month, UTC")}</p>
      <p>
        <span className={`figure ${style.amount}`}>
          <Money usd={charged} />
        </span>{" "}
        <span className="soft">{i18n._("of {amount}", { amount: toCents(most) })}</span>
      </p>
      <Meter used={share(charged, most)} wide />
    </div>
  );
}

function SwitchOff() {
  const { account } = useScope();
  const client = useQueryClient();
  const off = useMutation({
    mutationFn: () => switchOffAutoTopUp(account.id),
    onSuccess: (shown) => client.setQueryData(autoTopUpQuery(account.id).queryKey, shown),
  });
  if (!useRight("spend")) return null;
  return (
    <div className="push">
      <Button variant="default" onClick={() => off.mutate()} loading={off.isPending}>
        {i18n._("Turn off")}
      </Button>
      <FormProblem problem={off.error instanceof Problem ? off.error : null} />
    </div>
  );
}

function NothingSaved() {
  return (
    <Empty
      title={i18n._("No saved payment method yet. Save one first.")}
      action={
        <Button renderRoot={(props) => <Link {...props} to="/billing/top-up" search={{ save: true }} />}>
          {i18n._("Top up and save the method")}
        </Button>
      }
    >
      {i18n._("You agree to it when you top up. Nothing more is charged until you turn on auto top-up.")}
    </Empty>
  );
}

interface Described {
  status: Status;
  title: string;
  words: string[];
}

function describe(auto: AutoTopUp): Described {
  const { threshold_usd, amount_usd, stopped_at, stop_reason } = auto;
  if (threshold_usd !== null && amount_usd !== null && auto.enabled) {
    const rule = i18n._("When the balance falls below {threshold}, {amount} is charged to {method}.", {
      threshold: toCents(threshold_usd),
      amount: toCents(amount_usd),
      method: savedName(auto.saved_methods.find((each) => each.processor === auto.processor)),
    });
    return { status: auto.brake ? "waiting" : "good", title: i18n._("Auto top-up is on."), words: [rule, ...waits(auto)] };
  }
  if (stopped_at !== null && stop_reason !== null)
    return {
      status: "bad",
      title: i18n._("Auto top-up was stopped."),
      words: [
        i18n._("{moment}: {reason}", { moment: showTime(stopped_at, "moment"), reason: stopReason(auto) }),
        i18n._("Nothing is charged until you turn it on again."),
        ...(auto.brake === "in_flight" ? waits(auto) : []),
      ],
    };
  return {
    status: "off",
    title: i18n._("Auto top-up is off."),
    words: [i18n._("Nothing is charged unless you turn it on."), ...(auto.brake === "in_flight" ? waits(auto) : [])],
  };
}

/** Why the next charge is delayed. */
function waits(auto: AutoTopUp): string[] {
  const at = auto.goes_on_at;
  switch (auto.brake) {
    case "in_flight":
      return [i18n._("A charge is in progress.")];
    case "debt":
      return [i18n._("Paused until your debt is paid: top up manually.")];
    case "ceiling":
      return [i18n._("This month's limit is reached. Resumes on {day} (UTC).", { day: at ? showTime(at, "utcDay") : "" })];
    case "pause":
      return [i18n._("The last charge was recent. The next one is at {moment} at the earliest.", { moment: at ? showTime(at, "moment") : "" })];
    default:
      return [];
  }
}

function brakes({ bounds }: AutoTopUp): string[] {
  return [
    i18n._("Only one charge runs at a time, at least {minutes} minutes after the last.", { minutes: bounds.cooldown_minutes }),
    i18n._("It never charges more than your monthly limit (UTC), which can be at most {amount}.", { amount: toCents(bounds.max_month_usd) }),
    i18n._("A failed payment, or one that your bank wants you to confirm, turns it off."),
    i18n._("A refund, withdrawal or dispute turns it off. It pauses while you owe anything."),
    i18n._("Spending many times your usual amount turns it off: a key may be stolen."),
  ];
}
