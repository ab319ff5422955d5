// What is shown in the place of all pages to somebody who left, or was removed from, their last account.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { Page } from "../parts/Page.tsx";
import { Empty } from "../parts/States.tsx";
import { signOut } from "./menus.tsx";

export function NoAccount({ email }: { email: string }) {
  return (
    <main>
      <Page title={i18n._("You are a member of no account")}>
        <Empty
          title={i18n._("There is nothing to show until you are invited.")}
          action={
            <Button variant="default" onClick={() => void signOut()}>
              {i18n._("Sign out")}
            </Button>
          }
        >
          {i18n._("Ask an owner or admin of an account to invite {email}.", { email })}
        </Empty>
      </Page>
    </main>
  );
}
