// Shown instead of all pages to users without an account, who left or were removed from their last one.
import { i18n } from "@lingui/core";
import { Button } from "@mantine/core";
import { Page } from "../parts/Page.tsx";
import { Empty } from "../parts/States.tsx";
import { signOut } from "./menus.tsx";

export function NoAccount({ email }: { email: string }) {
  return (
    <main>
      <Page title={i18n._("You are not a member of any account")}>
        <Empty
          title={i18n._("You need an invitation to see an account.")}
          action={
            <Button variant="default" onClick={() => void signOut()}>
              {i18n._("Sign out")}
            </Button>
          }
        >
          {i18n._("Ask an account's owner or admin to invite {email}.", { email })}
        </Empty>
      </Page>
    </main>
  );
}
