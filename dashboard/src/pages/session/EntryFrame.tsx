// The frame of the pages before sign-in: the service's name, a form, and the water below.
import { Outlet } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { editionQuery, serviceName } from "../../api/queries.ts";
import { Mark } from "../../shell/icons.tsx";
import style from "./EntryFrame.module.css";

export function EntryFrame() {
  const { data: edition } = useQuery(editionQuery);
  return (
    <div className={style.doors}>
      <header className={style.brand}>
        <Mark />
        {serviceName(edition)}
      </header>
      <main className={style.form}>
        <Outlet />
      </main>
      <div className={style.water} aria-hidden="true" />
    </div>
  );
}
