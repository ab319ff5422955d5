// Sent alerts with their delivery status, and a button that sends a test.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Documents, Problem } from "../../api/client.ts";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { FormProblem } from "../../parts/forms.tsx";
import { noticeTitle } from "../../parts/notices.ts";
import { Section } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { type Status, StatusDot } from "../../parts/StatusDot.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { noticesQuery, sendTest } from "./alertQueries.ts";
import style from "./Alerts.module.css";
import { deliveryFault } from "./deliveryFault.ts";

type Notice = Documents["NoticeDocument"];
type Delivery = Documents["NoticeDeliveryDocument"];

export function TestAlerts() {
  const { account } = useScope();
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: () => sendTest(account.id),
    onSuccess: () => client.invalidateQueries({ queryKey: noticesQuery(account.id).queryKey }),
  });
  return (
    <>
      <Button variant="default" onClick={() => test.mutate()} loading={test.isPending}>
        {i18n._("Send a test")}
      </Button>
      <FormProblem problem={test.error instanceof Problem ? test.error : null} />
      <ul className={`${style.told} ${style.acts}`} role="status">
        {test.data?.deliveries.map((each) => (
          <li key={each.channel}>
            <State of={each} /> {each.fault && <span className="soft">{deliveryFault(each)}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

export function Notices() {
  const { account } = useScope();
  const notices = useQuery(noticesQuery(account.id));
  return (
    <Section title={i18n._("Sent alerts")}>
      <Await query={notices} rows={3}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title={i18n._("No alerts yet")}>{i18n._("Alerts appear here with their delivery status.")}</Empty>
          ) : (
            <DataTable label={i18n._("Sent alerts")} rows={rows} columns={columns()} rowKey={(notice) => notice.id} />
          )
        }
      </Await>
    </Section>
  );
}

function columns(): Column<Notice>[] {
  return [
    { id: "at", head: i18n._("Time"), cell: (notice) => <Time at={notice.at} as="moment" /> },
    { id: "subject", head: i18n._("Notice"), wide: true, cell: (notice) => <span className="strong">{noticeTitle(notice)}</span> },
    {
      id: "sent",
      head: i18n._("Delivery"),
      narrow: "hide",
      cell: (notice) => (
        <span className={style.deliveries}>
          {notice.deliveries.map((each) => (
            <span key={each.channel} title={deliveryFault(each) ?? undefined}>
              <State of={each} />
            </span>
          ))}
        </span>
      ),
    },
  ];
}

function State({ of: delivery }: { of: Delivery }) {
  const channel = delivery.channel === "mail" ? i18n._("Mail") : i18n._("Webhook");
  const { status, words } = stateOf(delivery.state);
  return (
    <>
      <StatusDot status={status} label="" />
      {channel}: {words}
    </>
  );
}

function stateOf(state: Delivery["state"]): { status: Status; words: string } {
  switch (state) {
    case "sent":
      return { status: "good", words: i18n._("sent") };
    case "waiting":
      return { status: "waiting", words: i18n._("processing") };
    case "failed":
      return { status: "bad", words: i18n._("failed") };
    default:
      return { status: "off", words: i18n._("off") };
  }
}
