// The shell with the session's account, which the route has read before it is drawn.
import { useRouteContext } from "@tanstack/react-router";
import { ScopeProvider } from "./account.tsx";
import { NoAccount } from "./NoAccount.tsx";
import { Shell } from "./Shell.tsx";

export function ScopedShell() {
  const { session } = useRouteContext({ from: "/shell" });
  if (session.accounts.length === 0) return <NoAccount email={session.user.email} />;
  return (
    <ScopeProvider session={session}>
      <Shell />
    </ScopeProvider>
  );
}
