// Home.
import { i18n } from "@lingui/core";
import { Page } from "../../parts/Page.tsx";
export function HomePage() { return <Page title={i18n._("Home")}>…</Page>; }
