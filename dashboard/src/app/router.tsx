// All paths of the dashboard and the page of each, loaded when it is opened. README.md says how one is added.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";
import { Problem } from "../api/client.ts";
import { LEDGER_TYPES, type LedgerType } from "../api/ledger.ts";
import { queryClient, sessionQuery } from "../api/queries.ts";
import type { BrowserAsk } from "../pages/connect/queries.ts";
import { readSearch } from "../pages/billing/spans.ts";
import { CACHE_LAYERS, type RequestFilter } from "../pages/usage/queries.ts";
import { RANGES } from "../pages/usage/ranges.ts";
import type { UsageSearch } from "../pages/usage/UsagePage.tsx";
import { NotHere, PageFailed } from "../shell/PageFailed.tsx";
import { followUser } from "./words.ts";

const root = createRootRoute({ component: Outlet, errorComponent: PageFailed, notFoundComponent: NotHere });

// For visitors who are not signed in.

const doors = createRoute({
  getParentRoute: () => root,
  id: "doors",
  component: lazyRouteComponent(() => import("../pages/session/EntryFrame.tsx"), "EntryFrame"),
});

interface SignInSearch {
  next?: string;
  problem?: string; // why sign-in through another service failed, as a code
}

const signIn = createRoute({
  getParentRoute: () => doors,
  path: "/sign-in",
  validateSearch: ({ next, problem }): SignInSearch => ({
    ...(typeof next === "string" && { next }),
    ...(typeof problem === "string" && { problem }),
  }),
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
const confirmEmail = createRoute({
  getParentRoute: () => doors,
  path: "/confirm-email",
  component: lazyRouteComponent(() => import("../pages/session/ChangedEmail.tsx"), "ConfirmEmail"),
});
const undoEmail = createRoute({
  getParentRoute: () => doors,
  path: "/undo-email",
  component: lazyRouteComponent(() => import("../pages/session/ChangedEmail.tsx"), "UndoEmail"),
});
const operator = createRoute({
  getParentRoute: () => doors,
  path: "/operator-sign-in",
  component: lazyRouteComponent(() => import("../pages/session/Tokens.tsx"), "OperatorSignIn"),
});

// For signed-in users: the pages of an account.

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  beforeLoad: async ({ location }) => ({ session: await signedIn(location.href) }),
  component: lazyRouteComponent(() => import("../shell/ScopedShell.tsx"), "ScopedShell"),
});

async function signedIn(next: string) {
  try {
    const session = await queryClient.ensureQueryData(sessionQuery);
    await followUser(session.user.locale);
    return session;
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
  validateSearch: ({ range, by }): UsageSearch => ({ range: oneOf(RANGES, range), by: oneOf(["model", "key", "label", "provider", "stage"], by) }),
  component: lazyRouteComponent(() => import("../pages/usage/UsagePage.tsx"), "UsagePage"),
});
const requests = createRoute({
  getParentRoute: () => shell,
  path: "/usage/requests",
  validateSearch: ({ model, provider, key, status, cache, stage }): RequestFilter => ({
    model: text(model),
    provider: text(provider),
    key: text(key),
    status: oneOf(["complete", "hung_up", "failed", "refused"], status),
    cache: oneOf(CACHE_LAYERS, cache),
    stage: text(stage),
  }),
  component: lazyRouteComponent(() => import("../pages/usage/RequestsPage.tsx"), "RequestsPage"),
});
const receipt = createRoute({
  getParentRoute: () => requests,
  path: "/$requestId",
  component: lazyRouteComponent(() => import("../pages/usage/ReceiptPanel.tsx"), "ReceiptPanel"),
});

const sessions = createRoute({
  getParentRoute: () => shell,
  path: "/usage/sessions",
  component: lazyRouteComponent(() => import("../pages/usage/SessionsPage.tsx"), "SessionsPage"),
});
const session = createRoute({
  getParentRoute: () => sessions,
  path: "/$sessionId",
  component: lazyRouteComponent(() => import("../pages/usage/SessionPanel.tsx"), "SessionPanel"),
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
  validateSearch: ({ save }): { save?: boolean } => (save === true ? { save } : {}),
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

const settings = createRoute({
  getParentRoute: () => shell,
  path: "/settings",
  component: lazyRouteComponent(() => import("../pages/settings/ProfilePage.tsx"), "ProfilePage"),
});

const emailPanel = createRoute({
  getParentRoute: () => settings,
  path: "/email",
  component: lazyRouteComponent(() => import("../pages/settings/EmailPanel.tsx"), "EmailPanel"),
});

const connect = createRoute({
  getParentRoute: () => shell,
  path: "/connect",
  validateSearch: ({ name, code_challenge, redirect_uri, state }): BrowserAsk => ({
    name: text(name),
    code_challenge: text(code_challenge),
    redirect_uri: text(redirect_uri),
    state: text(state),
  }),
  component: lazyRouteComponent(() => import("../pages/connect/ConnectPage.tsx"), "ConnectPage"),
});
const security = createRoute({
  getParentRoute: () => shell,
  path: "/settings/security",
  component: lazyRouteComponent(() => import("../pages/settings/SecurityPage.tsx"), "SecurityPage"),
});
const passkey = createRoute({
  getParentRoute: () => security,
  path: "/passkey",
  component: lazyRouteComponent(() => import("../pages/settings/PasskeyPanel.tsx"), "PasskeyPanel"),
});
const authenticator = createRoute({
  getParentRoute: () => security,
  path: "/authenticator",
  component: lazyRouteComponent(() => import("../pages/settings/AuthenticatorPanel.tsx"), "AuthenticatorPanel"),
});
const recoveryCodes = createRoute({
  getParentRoute: () => security,
  path: "/recovery-codes",
  component: lazyRouteComponent(() => import("../pages/settings/RecoveryCodesPanel.tsx"), "RecoveryCodesPanel"),
});
const team = createRoute({
  getParentRoute: () => shell,
  path: "/settings/team",
  component: lazyRouteComponent(() => import("../pages/settings/TeamPage.tsx"), "TeamPage"),
});
const invitePanel = createRoute({
  getParentRoute: () => team,
  path: "/invite",
  component: lazyRouteComponent(() => import("../pages/settings/InvitePanel.tsx"), "InvitePanel"),
});
const memberPanel = createRoute({
  getParentRoute: () => team,
  path: "/$userId",
  component: lazyRouteComponent(() => import("../pages/settings/MemberPanel.tsx"), "MemberPanel"),
});
const managementKeys = createRoute({
  getParentRoute: () => shell,
  path: "/settings/management-keys",
  component: lazyRouteComponent(() => import("../pages/settings/ManagementKeysPage.tsx"), "ManagementKeysPage"),
});
const newManagementKey = createRoute({
  getParentRoute: () => managementKeys,
  path: "/new",
  component: lazyRouteComponent(() => import("../pages/settings/NewManagementKey.tsx"), "NewManagementKey"),
});
const audit = createRoute({
  getParentRoute: () => shell,
  path: "/settings/audit",
  component: lazyRouteComponent(() => import("../pages/settings/AuditPage.tsx"), "AuditPage"),
});
const autoTopUp = createRoute({
  getParentRoute: () => shell,
  path: "/billing/auto-top-up",
  component: lazyRouteComponent(() => import("../pages/billing/AutoTopUpPage.tsx"), "AutoTopUpPage"),
});
const budgets = createRoute({
  getParentRoute: () => shell,
  path: "/billing/budgets",
  component: lazyRouteComponent(() => import("../pages/billing/BudgetsPage.tsx"), "BudgetsPage"),
});
const withdrawals = createRoute({
  getParentRoute: () => shell,
  path: "/billing/withdrawals",
  component: lazyRouteComponent(() => import("../pages/billing/WithdrawalsPage.tsx"), "WithdrawalsPage"),
});
const withdraw = createRoute({
  getParentRoute: () => withdrawals,
  path: "/new",
  component: lazyRouteComponent(() => import("../pages/billing/WithdrawPanel.tsx"), "WithdrawPanel"),
});
const newPayee = createRoute({
  getParentRoute: () => withdrawals,
  path: "/payee",
  component: lazyRouteComponent(() => import("../pages/billing/NewPayee.tsx"), "NewPayee"),
});
const statements = createRoute({
  getParentRoute: () => shell,
  path: "/billing/statements",
  validateSearch: readSearch,
  component: lazyRouteComponent(() => import("../pages/billing/StatementsPage.tsx"), "StatementsPage"),
});

const rewards = createRoute({
  getParentRoute: () => shell,
  path: "/rewards",
  component: lazyRouteComponent(() => import("../pages/rewards/RewardsPage.tsx"), "RewardsPage"),
});
const alerts = createRoute({
  getParentRoute: () => shell,
  path: "/settings/alerts",
  component: lazyRouteComponent(() => import("../pages/settings/AlertsPage.tsx"), "AlertsPage"),
});
const freeModels = createRoute({
  getParentRoute: () => shell,
  path: "/settings/free-models",
  component: lazyRouteComponent(() => import("../pages/settings/FreeModelsPage.tsx"), "FreeModelsPage"),
});
const caches = createRoute({
  getParentRoute: () => shell,
  path: "/settings/caches",
  component: lazyRouteComponent(() => import("../pages/settings/CachesPage.tsx"), "CachesPage"),
});

const mails = createRoute({
  getParentRoute: () => shell,
  path: "/operator",
  component: lazyRouteComponent(() => import("../pages/operator/MailsPage.tsx"), "MailsPage"),
});
const mail = createRoute({
  getParentRoute: () => mails,
  path: "/$mailId",
  component: lazyRouteComponent(() => import("../pages/operator/MailPanel.tsx"), "MailPanel"),
});

/** A value from the address, if it is one of the known ones. */
function oneOf<T extends string>(values: readonly T[], value: unknown): T | undefined {
  return values.find((each) => each === value);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export const router = createRouter({
  routeTree: root.addChildren([
    doors.addChildren([signIn, signUp, reset, verify, invitation, confirmEmail, undoEmail, operator]),
    shell.addChildren([
      home,
      usage,
      requests.addChildren([receipt]),
      sessions.addChildren([session]),
      billing,
      topUp,
      ledger,
      topUps.addChildren([refund]),
      topUpResult,
      autoTopUp,
      budgets,
      withdrawals.addChildren([withdraw, newPayee]),
      statements,
      keys.addChildren([newKey]),
      key.addChildren([changeKey, rotateKey]),
      connect,
      rewards,
      settings.addChildren([emailPanel]),
      security.addChildren([authenticator, recoveryCodes, passkey]),
      team.addChildren([invitePanel, memberPanel]),
      managementKeys.addChildren([newManagementKey]),
      audit,
      alerts,
      freeModels,
      caches,
      mails.addChildren([mail]),
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
