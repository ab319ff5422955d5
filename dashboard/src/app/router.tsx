// All paths of the dashboard and the page of each, loaded when it is opened. README.md says how one is added.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";
import { Problem } from "../api/client.ts";
import { LEDGER_TYPES, type LedgerType } from "../api/ledger.ts";
import { queryClient, sessionQuery } from "../api/queries.ts";
import type { RequestFilter } from "../pages/usage/queries.ts";
import { RANGES } from "../pages/usage/ranges.ts";
import type { UsageSearch } from "../pages/usage/UsagePage.tsx";
import { NotHere, PageFailed } from "../shell/PageFailed.tsx";

const root = createRootRoute({ component: Outlet, errorComponent: PageFailed, notFoundComponent: NotHere });

// Whoever is not signed in.

const doors = createRoute({
  getParentRoute: () => root,
  id: "doors",
  component: lazyRouteComponent(() => import("../pages/session/Doors.tsx"), "Doors"),
});

interface SignInSearch {
  next?: string;
}

const signIn = createRoute({
  getParentRoute: () => doors,
  path: "/sign-in",
  validateSearch: ({ next }): SignInSearch => (typeof next === "string" ? { next } : {}),
  component: lazyRouteComponent(() => import("../pages/session/SignIn.tsx"), "SignIn"),
});
const signUp = createRoute({
  getParentRoute: () => doors,
  path: "/sign-up",
  validateSearch: ({ referral }): { referral?: string } => (typeof referral === "string" ? { referral } : {}),
  component: lazyRouteComponent(() => import("../pages/session/SignUp.tsx"), "SignUp"),
});
const reset = createRoute({
  getParentRoute: () => doors,
  path: "/reset-password",
  component: lazyRouteComponent(() => import("../pages/session/Reset.tsx"), "Reset"),
});
const verify = createRoute({
  getParentRoute: () => doors,
  path: "/verify-email",
  component: lazyRouteComponent(() => import("../pages/session/Tokens.tsx"), "VerifyEmail"),
});
const invitation = createRoute({
  getParentRoute: () => doors,
  path: "/invitation",
  component: lazyRouteComponent(() => import("../pages/session/Tokens.tsx"), "Invitation"),
});
const operator = createRoute({
  getParentRoute: () => doors,
  path: "/operator-sign-in",
  component: lazyRouteComponent(() => import("../pages/session/Tokens.tsx"), "OperatorSignIn"),
});

// Whoever is signed in: the pages of an account.

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  beforeLoad: async ({ location }) => ({ session: await signedIn(location.href) }),
  component: lazyRouteComponent(() => import("../shell/ScopedShell.tsx"), "ScopedShell"),
});

async function signedIn(next: string) {
  try {
    return await queryClient.ensureQueryData(sessionQuery);
  } catch (error) {
    if (error instanceof Problem && error.status === 401) throw redirect({ to: "/sign-in", search: { next } });
    throw error;
  }
}

const home = createRoute({
  getParentRoute: () => shell,
  path: "/",
  component: lazyRouteComponent(() => import("../pages/home/HomePage.tsx"), "HomePage"),
});

const usage = createRoute({
  getParentRoute: () => shell,
  path: "/usage",
  validateSearch: ({ range, by }): UsageSearch => ({ range: oneOf(RANGES, range), by: oneOf(["model", "key", "provider"], by) }),
  component: lazyRouteComponent(() => import("../pages/usage/UsagePage.tsx"), "UsagePage"),
});
const requests = createRoute({
  getParentRoute: () => shell,
  path: "/usage/requests",
  validateSearch: ({ model, provider, key, status }): RequestFilter => ({
    model: text(model),
    provider: text(provider),
    key: text(key),
    status: oneOf(["complete", "hung_up", "failed", "refused"], status),
  }),
  component: lazyRouteComponent(() => import("../pages/usage/RequestsPage.tsx"), "RequestsPage"),
});
const receipt = createRoute({
  getParentRoute: () => requests,
  path: "/$requestId",
  component: lazyRouteComponent(() => import("../pages/usage/ReceiptPanel.tsx"), "ReceiptPanel"),
});

const keys = createRoute({
  getParentRoute: () => shell,
  path: "/keys",
  component: lazyRouteComponent(() => import("../pages/keys/KeysPage.tsx"), "KeysPage"),
});
const newKey = createRoute({
  getParentRoute: () => keys,
  path: "/new",
  component: lazyRouteComponent(() => import("../pages/keys/NewKey.tsx"), "NewKey"),
});
const key = createRoute({
  getParentRoute: () => shell,
  path: "/keys/$keyId",
  component: lazyRouteComponent(() => import("../pages/keys/KeyPage.tsx"), "KeyPage"),
});
const changeKey = createRoute({
  getParentRoute: () => key,
  path: "/change",
  component: lazyRouteComponent(() => import("../pages/keys/ChangeKey.tsx"), "ChangeKey"),
});
const rotateKey = createRoute({
  getParentRoute: () => key,
  path: "/rotate",
  component: lazyRouteComponent(() => import("../pages/keys/RotateKey.tsx"), "RotateKey"),
});

const billing = createRoute({
  getParentRoute: () => shell,
  path: "/billing",
  component: lazyRouteComponent(() => import("../pages/billing/BillingPage.tsx"), "BillingPage"),
});
const topUp = createRoute({
  getParentRoute: () => shell,
  path: "/billing/top-up",
  component: lazyRouteComponent(() => import("../pages/billing/TopUpPage.tsx"), "TopUpPage"),
});
const ledger = createRoute({
  getParentRoute: () => shell,
  path: "/billing/ledger",
  validateSearch: ({ type }): { type?: LedgerType } => {
    const known = oneOf(LEDGER_TYPES, type);
    return known ? { type: known } : {};
  },
  component: lazyRouteComponent(() => import("../pages/billing/LedgerPage.tsx"), "LedgerPage"),
});
const topUps = createRoute({
  getParentRoute: () => shell,
  path: "/billing/top-ups",
  component: lazyRouteComponent(() => import("../pages/billing/TopUpsPage.tsx"), "TopUpsPage"),
});
const topUpResult = createRoute({
  getParentRoute: () => shell,
  path: "/billing/top-ups/$topUpId",
  component: lazyRouteComponent(() => import("../pages/billing/TopUpResult.tsx"), "TopUpResult"),
});
const refund = createRoute({
  getParentRoute: () => topUps,
  path: "$topUpId/refund",
  component: lazyRouteComponent(() => import("../pages/billing/RefundPanel.tsx"), "RefundPanel"),
});

/** What an address says, if it is one of these. */
function oneOf<T extends string>(values: readonly T[], value: unknown): T | undefined {
  return values.find((each) => each === value);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export const router = createRouter({
  routeTree: root.addChildren([
    doors.addChildren([signIn, signUp, reset, verify, invitation, operator]),
    shell.addChildren([
      home,
      usage,
      requests.addChildren([receipt]),
      billing,
      topUp,
      ledger,
      topUps.addChildren([refund]),
      topUpResult,
      keys.addChildren([newKey]),
      key.addChildren([changeKey, rotateKey]),
    ]),
  ]),
  basepath: "/dashboard",
  defaultPreload: "intent",
  defaultErrorComponent: PageFailed,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
