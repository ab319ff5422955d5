// The two menus of the top bar: account and user.
import { i18n } from "@lingui/core";
import { Menu, useMantineColorScheme } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, ask } from "../api/client.ts";
import { editionQuery, sessionQuery } from "../api/queries.ts";
import { chooseLanguage, LANGUAGES, type Language } from "../app/words.ts";
import { accountName, chooseAccount, useScope } from "./account.tsx";
import { Icon } from "./icons.tsx";
import style from "./menus.module.css";

/** The one scope switcher. With one account there is nothing to switch. */
export function AccountMenu() {
  const { user, account, accounts } = useScope();
  const name = accountName(account, user);
  if (accounts.length === 1) return <span className={style.name}>{name}</span>;
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <button type="button" className={style.button} aria-label={i18n._("Account: {name}", { name })}>
          <span className={style.name}>{name}</span>
          <Icon name="down" />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {accounts.map((each) => (
          <Menu.Item key={each.id} onClick={() => chooseAccount(each.id)} aria-current={each.id === account.id}>
            <span className={each.id === account.id ? "strong" : undefined}>{accountName(each, user)}</span>{" "}
            <span className="soft small">{roleName(each.role)}</span>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

export function UserMenu() {
  const { user } = useScope();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const client = useQueryClient();
  // for this browser, and for mails
  const speak = async (language: Language) => {
    await chooseLanguage(language);
    const changed = await ask(api.PATCH("/api/user", { body: { locale: language } })).catch(() => null);
    if (changed) client.setQueryData(sessionQuery.queryKey, (session) => session && { ...session, user: changed });
  };
  const schemes = { light: i18n._("Light"), dark: i18n._("Dark"), auto: i18n._("Same as system") } as const;
  return (
    <Menu position="bottom-end" closeOnItemClick={false} width={220}>
      <Menu.Target>
        <button type="button" className={style.face} aria-label={i18n._("You: {email}", { email: user.email })}>
          {user.email.slice(0, 1).toUpperCase()}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{user.email}</Menu.Label>
        {user.operator && (
          <Menu.Item component={Link} to="/operator" closeMenuOnClick>
            {i18n._("Mails")}
          </Menu.Item>
        )}
        <Menu.Divider />
        {Object.entries(schemes).map(([scheme, label]) => (
          <Choice key={scheme} label={label} chosen={scheme === colorScheme} choose={() => setColorScheme(scheme as "auto")} />
        ))}
        <Menu.Divider />
        {Object.entries(LANGUAGES).map(([code, label]) => (
          <Choice key={code} label={label} chosen={code === i18n.locale} choose={() => void speak(code as Language)} />
        ))}
        <Help />
        <Menu.Divider />
        <Menu.Item onClick={() => void signOut()}>{i18n._("Sign out")}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** The help address of the edition or its operator. */
function Help() {
  const support = useQuery(editionQuery).data?.support ?? [];
  if (support.length === 0) return null;
  return (
    <>
      <Menu.Divider />
      <Menu.Label>{i18n._("Help")}</Menu.Label>
      {support.map((each) => (
        <Menu.Item key={each.url} component="a" href={each.url} target="_blank" rel="noreferrer">
          {each.label}
        </Menu.Item>
      ))}
    </>
  );
}

function Choice({ label, chosen, choose }: { label: string; chosen: boolean; choose: () => void }) {
  return (
    <Menu.Item role="menuitemradio" aria-checked={chosen} onClick={choose} rightSection={chosen ? "✓" : null}>
      {label}
    </Menu.Item>
  );
}

export function roleName(role: string): string {
  const names: Record<string, string> = {
    owner: i18n._("owner"),
    admin: i18n._("admin"),
    developer: i18n._("developer"),
    billing: i18n._("billing"),
    viewer: i18n._("viewer"),
  };
  return names[role] ?? role;
}

export async function signOut(): Promise<void> {
  await ask(api.DELETE("/api/session"));
  location.assign("/dashboard/sign-in");
}
