// The whole of the dashboard: language, look, queries, pages.
import { i18n } from "@lingui/core";
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { queryClient } from "../api/queries.ts";
import { router } from "./router.tsx";
import { schemeManager } from "./scheme.ts";
import { cssVariablesResolver, theme } from "./theme.ts";

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
Object.assign(globalThis, { __webpack_nonce__: nonce }); // read by get-nonce, for the styles of drawers and dialogs

export function App() {
  const locale = useSyncExternalStore(watchLocale, () => i18n.locale);
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariablesResolver}
      colorSchemeManager={schemeManager}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={queryClient}>
        <RouterProvider key={locale} router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}

function watchLocale(changed: () => void): () => void {
  return i18n.on("change", changed);
}
