// Queries and changes of the Settings pages.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ask, type Documents } from "../../api/client.ts";

export type Role = Documents["AccountRole"];
export type UserSession = Documents["UserSessionDocument"];
export type Passkey = Documents["PasskeyDocument"];
export type ConnectedService = Documents["IdentityDocument"];
export type Member = Documents["MemberDocument"];
export type Invited = Documents["InvitationDocument"];
export type ManagementKey = Documents["ManagementKeyDocument"];
export type Change = Documents["AuditDocument"];

const ROWS = 50;

export const userSessionsQuery = queryOptions({
  queryKey: ["user", "sessions"],
  queryFn: () => ask(api.GET("/api/user/sessions")),
  select: (page) => page.data,
});

export const passkeysQuery = queryOptions({
  queryKey: ["user", "passkeys"],
  queryFn: () => ask(api.GET("/api/user/passkeys")),
  select: (page) => page.data,
});

export const servicesQuery = queryOptions({
  queryKey: ["user", "identities"],
  queryFn: () => ask(api.GET("/api/user/identities")),
  select: (page) => page.data,
});

export const membersQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "members"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/members", { params: { path: { account_id } } })),
    select: (page) => page.data,
  });

export const invitationsQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "invitations"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/invitations", { params: { path: { account_id } } })),
    select: (page) => page.data,
  });

export const managementKeysQuery = (account_id: string) =>
  queryOptions({
    queryKey: ["account", account_id, "management-keys"],
    queryFn: () => ask(api.GET("/api/accounts/{account_id}/management-keys", { params: { path: { account_id } } })),
    select: (page) => page.data,
  });

export const auditQuery = (account_id: string) =>
  infiniteQueryOptions({
    queryKey: ["account", account_id, "audit"],
    queryFn: ({ pageParam: cursor }) =>
      ask(api.GET("/api/accounts/{account_id}/audit", { params: { path: { account_id }, query: { cursor, limit: ROWS } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: 0,
  });

export function invite(account_id: string, body: Documents["InvitationBody"]) {
  return ask(api.POST("/api/accounts/{account_id}/invitations", { params: { path: { account_id } }, body }));
}

export function withdrawInvitation(account_id: string, invitation_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/invitations/{invitation_id}", { params: { path: { account_id, invitation_id } } }));
}

export function changeMember(account_id: string, user_id: string, role: Role) {
  return ask(api.PATCH("/api/accounts/{account_id}/members/{user_id}", { params: { path: { account_id, user_id } }, body: { role } }));
}

export function removeMember(account_id: string, user_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/members/{user_id}", { params: { path: { account_id, user_id } } }));
}

export function leaveAccount(account_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/membership", { params: { path: { account_id } } }));
}

export function nameAccount(account_id: string, name: string) {
  return ask(api.PATCH("/api/accounts/{account_id}", { params: { path: { account_id } }, body: { name } }));
}

export function makeManagementKey(account_id: string, body: Documents["ManagementKeyBody"]) {
  return ask(api.POST("/api/accounts/{account_id}/management-keys", { params: { path: { account_id } }, body }));
}

export function revokeManagementKey(account_id: string, key_id: string) {
  return ask(api.DELETE("/api/accounts/{account_id}/management-keys/{key_id}", { params: { path: { account_id, key_id } } }));
}
