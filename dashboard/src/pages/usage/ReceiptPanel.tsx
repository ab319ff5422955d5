// A receipt in a panel beside the requests, with its own address.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { CopyButton } from "../../parts/CopyButton.tsx";
import { Drawer } from "../../parts/Drawer.tsx";
import { Await } from "../../parts/States.tsx";
import { useScope } from "../../shell/account.tsx";
import { receiptQuery } from "./queries.ts";
import { Receipt } from "./Receipt.tsx";
import style from "./Receipt.module.css";

export function ReceiptPanel() {
  const { account } = useScope();
  const { requestId } = useParams({ from: "/shell/usage/requests/$requestId" });
  const navigate = useNavigate({ from: "/usage/requests/$requestId" });
  const receipt = useQuery(receiptQuery(account.id, requestId));
  const close = () => void navigate({ to: "/usage/requests", search: (now) => now, resetScroll: false });
  const link = `${location.origin}/dashboard/usage/requests/${requestId}?account=${account.id}`;
  return (
    <Drawer title={i18n._("Receipt")} onClose={close}>
      <div className={style.ground}>
        <Await query={receipt} rows={12}>
          {(data) => (
            <>
              <Receipt receipt={data} />
              <div className={`row ${style.actions}`}>
                <CopyButton text={link} label={i18n._("Copy link")} />
                <Button component="a" variant="default" href={`/api/accounts/${account.id}/requests/${requestId}`} download={`${requestId}.json`}>
                  {i18n._("Signed JSON")}
                </Button>
              </div>
              <p className="soft small">{i18n._("Anyone with the JSON can verify its signature and its place in the ledger.")}</p>
            </>
          )}
        </Await>
      </div>
    </Drawer>
  );
}
