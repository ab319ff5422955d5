// The shell with the session's account, which the route has read before it is drawn.
import { useRouteContext } from "@tanstack/react-router";
import { ScopeProvider } from "./account.tsx";
import { Shell } from "./Shell.tsx";

export function ScopedShell() {
  const { session } = useRouteContext({ from: "/shell" });
  return (
    <ScopeProvider session={session}>
      <Shell />
    </ScopeProvider>
  );
}
