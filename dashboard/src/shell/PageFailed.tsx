// Shown instead of a page that failed or does not exist; the frame stays.
import { i18n } from "@lingui/core";
import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Page } from "../parts/Page.tsx";
import { Empty, ErrorState } from "../parts/States.tsx";
import { usePageNames } from "./pageNames.ts";

export function PageFailed({ error, reset }: ErrorComponentProps) {
  return (
    <Page title={i18n._("This page failed to load")} quiet>
      <ErrorState error={error} retry={reset} />
    </Page>
  );
}

export function NotHere() {
  return (
    <Page title={i18n._("Page not found")}>
      <Empty title={i18n._("No page exists at this address.")} action={<Link to="/">{i18n._("Go to {page}", { page: usePageNames().home })}</Link>} />
    </Page>
  );
}
