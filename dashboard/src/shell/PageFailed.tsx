// What is shown in the place of a page that failed, or that there is not: the rest stays.
import { i18n } from "@lingui/core";
import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Page } from "../parts/Page.tsx";
import { Empty, ErrorState } from "../parts/States.tsx";
import { usePageNames } from "./pageNames.ts";

export function PageFailed({ error, reset }: ErrorComponentProps) {
  return (
    <Page title={i18n._("This page failed")} quiet>
      <ErrorState error={error} retry={reset} />
    </Page>
  );
}

export function NotHere() {
  return (
    <Page title={i18n._("No such page")}>
      <Empty title={i18n._("There is nothing at this address.")} action={<Link to="/">{i18n._("Go to {page}", { page: usePageNames().home })}</Link>} />
    </Page>
  );
}
