// For operators: mails to users that were not sent, to be delivered another way.
import { i18n } from "@lingui/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useParams } from "@tanstack/react-router";
import { type Column, DataTable } from "../../parts/DataTable.tsx";
import { Page } from "../../parts/Page.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { Time } from "../../parts/Time.tsx";
import { useScope } from "../../shell/account.tsx";
import { NotHere } from "../../shell/PageFailed.tsx";
import { mailState } from "./mails.ts";
import style from "./Operator.module.css";
import { mailsQuery, type UserMail } from "./queries.ts";

export function MailsPage() {
  const { user } = useScope();
  if (!user.operator) return <NotHere />;
  return (
    <Page title={i18n._("Mails")}>
      <Mails />
      <Outlet />
    </Page>
  );
}

function Mails() {
  const mails = useInfiniteQuery(mailsQuery);
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = mails;
  const more = hasNextPage ? { load: () => void fetchNextPage(), busy: isFetchingNextPage } : null;
  const navigate = useNavigate();
  const { mailId } = useParams({ strict: false });
  return (
    <Await query={mails} rows={8}>
      {({ pages }) => {
        const rows = pages.flatMap((page) => page.data);
        return rows.length === 0 && !more ? (
          <Empty title={i18n._("No unsent mails")}>
            {i18n._("Unsent mails stay here for up to 30 days. Without a mail server, no mail is sent.")}
          </Empty>
        ) : (
          <>
            <p className={`soft ${style.lead}`}>{i18n._("These mails to users were not sent. Open one and deliver it another way.")}</p>
            <DataTable
              label={i18n._("Mails")}
              rows={rows}
              columns={columns()}
              rowKey={(mail) => mail.id}
              chosen={mailId ?? null}
              more={more}
              onOpen={(mail) => void navigate({ to: "/operator/$mailId", params: { mailId: mail.id }, resetScroll: false })}
            />
          </>
        );
      }}
    </Await>
  );
}

function columns(): Column<UserMail>[] {
  return [
    { id: "at", head: i18n._("When"), narrow: "tablet", cell: (mail) => <Time at={mail.at} as="dayClock" /> },
    { id: "to", head: i18n._("To"), cell: (mail) => <span className={`strong ${style.to}`}>{mail.to || i18n._("erased")}</span> },
    { id: "what", head: i18n._("Subject"), wide: true, cell: (mail) => <span className={style.what}>{mail.subject}</span> },
    { id: "state", head: i18n._("State"), align: "end", narrow: "hide", cell: (mail) => <State of={mail} /> },
  ];
}

function State({ of: mail }: { of: UserMail }) {
  const { status, label } = mailState(mail.state);
  return (
    <>
      <StatusDot status={status} label="" /> {label}
    </>
  );
}
