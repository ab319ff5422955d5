// One mail as its recipient would see it, with its own address.
import { i18n } from "@lingui/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { CopyButton } from "../../parts/CopyButton.tsx";
import { Drawer } from "../../parts/Drawer.tsx";
import { Await, Empty } from "../../parts/States.tsx";
import { StatusDot } from "../../parts/StatusDot.tsx";
import { Time } from "../../parts/Time.tsx";
import { mailState, textParts } from "./mails.ts";
import style from "./Operator.module.css";
import { mailsQuery, type UserMail } from "./queries.ts";

export function MailPanel() {
  const { mailId } = useParams({ from: "/shell/operator/$mailId" });
  const navigate = useNavigate();
  const mails = useInfiniteQuery(mailsQuery);
  const mail = mails.data?.pages.flatMap((page) => page.data).find(({ id }) => id === mailId);
  const { fetchNextPage } = mails;
  const further = mail === undefined && mails.hasNextPage; // an older one, opened by its address
  useEffect(() => {
    if (further && !mails.isFetchingNextPage && !mails.isError) void fetchNextPage();
  }, [further, mails.isFetchingNextPage, mails.isError, fetchNextPage]);
  return (
    <Drawer title={mail?.subject ?? i18n._("Mail")} onClose={() => void navigate({ to: "/operator", resetScroll: false })}>
      <Await query={mails} rows={8}>
        {() =>
          mail ? (
            <Mail of={mail} />
          ) : further ? null : (
            <Empty title={i18n._("This mail no longer exists")}>{i18n._("It was sent by your mail server, or it was more than 30 days old.")}</Empty>
          )
        }
      </Await>
    </Drawer>
  );
}

function Mail({ of: mail }: { of: UserMail }) {
  const { status, label } = mailState(mail.state);
  return (
    <div className="stack">
      <dl className={style.facts}>
        <dt>{i18n._("To")}</dt>
        <dd>{mail.to || i18n._("erased")}</dd>
        <dt>{i18n._("When")}</dt>
        <dd>
          <Time at={mail.at} as="moment" />
        </dd>
        <dt>{i18n._("State")}</dt>
        <dd>
          <StatusDot status={status} label="" /> {label}
          {mail.state !== "kept" && mail.fault && <span className="soft"> · {mail.fault}</span>}
        </dd>
      </dl>
      <p className={style.text}>
        {textParts(mail.body.trim()).map(({ text, isLink }, at) =>
          isLink ? (
            <a key={at} href={text} target="_blank" rel="noreferrer">
              {text}
            </a>
          ) : (
            text
          ),
        )}
      </p>
      <div className="row">
        <CopyButton text={mail.body.trim()} label={i18n._("Copy text")} />
      </div>
      <p className="soft small">{i18n._("Give it only to its recipient. A link in it works once, and anyone who opens it acts as the recipient.")}</p>
    </div>
  );
}
