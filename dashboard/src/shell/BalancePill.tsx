// The live balance in the top bar: pools on focus, tap and hover; a green pulse for cashback.
import { i18n } from "@lingui/core";
import { Popover } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import type { Documents } from "../api/client.ts";
import { useLiveEvent, useLiveState } from "../api/live.ts";
import { balanceQuery } from "../api/queries.ts";
import { growth, isZero, toCents } from "../parts/amounts.ts";
import { Balance, Money } from "../parts/Money.tsx";
import { Owed, owes } from "../parts/Owed.tsx";
import { showTime } from "../parts/Time.tsx";
import { poolName } from "../parts/Waterline.tsx";
import { useScope } from "./account.tsx";
import style from "./BalancePill.module.css";

const PULSE_MS = 1200;

export function BalancePill() {
  const { account, live } = useScope();
  const client = useQueryClient();
  const { data: balance } = useQuery(balanceQuery(account.id));
  const { since } = useLiveState(live);
  const [pulses, setPulses] = useState(false);
  const [open, setOpen] = useState(false);
  const take = useCallback(
    (event: Documents["BalanceDocument"]) => client.setQueryData(balanceQuery(account.id).queryKey, event),
    [client, account.id],
  );
  const pulse = useCallback(() => {
    setPulses(true);
    setTimeout(setPulses, PULSE_MS, false);
  }, []);
  useLiveEvent(live, "balance", take);
  useLiveEvent(live, "cashback", pulse);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" width={240}>
      <Popover.Target>
        <button
          type="button"
          className={style.pill}
          data-pulses={pulses}
          data-lost={since !== null}
          data-owes={balance !== undefined && owes(balance)}
          aria-label={balance ? undefined : i18n._("Balance")} // shown instead, once it is loaded
          onClick={() => setOpen(!open)}
          onPointerEnter={(event) => event.pointerType === "mouse" && setOpen(true)}
          onPointerLeave={(event) => event.pointerType === "mouse" && setOpen(false)}
        >
          {balance ? <Figure balance={balance} /> : <span className={style.unknown} />}
          <span className={style.line} aria-hidden="true">
            {balance && <Level balance={balance} />}
          </span>
        </button>
      </Popover.Target>
      <Popover.Dropdown>{balance && <Pools balance={balance} since={since} />}</Popover.Dropdown>
    </Popover>
  );
}

/** The balance, or the debt, which stops requests whatever the balance. */
function Figure({ balance }: { balance: Documents["BalanceDocument"] }) {
  if (owes(balance)) return i18n._("{amount} owed", { amount: toCents(balance.debt_usd) });
  return (
    <>
      <span className={style.hidden}>{i18n._("Balance")} </span>
      <Balance usd={balance.balance_usd} />
    </>
  );
}

/** A small waterline: the pools' shares. */
function Level({ balance }: { balance: Documents["BalanceDocument"] }) {
  return Object.entries(balance.pools)
    .filter(([pool, usd]) => pool !== "locked" && !isZero(usd))
    .map(([pool, usd]) => <i key={pool} data-pool={pool} style={{ flexGrow: growth(usd) }} />);
}

function Pools({ balance, since }: { balance: Documents["BalanceDocument"]; since: number | null }) {
  const pools = Object.entries(balance.pools).filter(([, usd]) => !isZero(usd));
  return (
    <div className={style.pools}>
      {since !== null && (
        <p className="small bad">
          {i18n._("as of {time}, reconnecting", { time: showTime(new Date(since).toISOString(), "clock") })}
        </p>
      )}
      <Owed balance={balance} />
      <dl>
        {pools.map(([pool, usd]) => (
          <div key={pool}>
            <dt>{poolName(pool)}</dt>
            <dd>
              <Money usd={usd} />
            </dd>
          </div>
        ))}
        {!isZero(balance.held_usd) && (
          <div>
            <dt>{i18n._("held for open requests")}</dt>
            <dd>
              <Money usd={balance.held_usd} />
            </dd>
          </div>
        )}
      </dl>
      <a href="/dashboard/billing">{i18n._("Billing")}</a>
    </div>
  );
}
