// The frame of all pages of an account: navigation, account, balance, and the page.
import { i18n } from "@lingui/core";
import { Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { editionQuery, serviceName } from "../api/queries.ts";
import { BalancePill } from "./BalancePill.tsx";
import { FindButton } from "./FindButton.tsx";
import { Icon, Mark } from "./icons.tsx";
import { AccountMenu, UserMenu } from "./menus.tsx";
import { type NavigationItem, useNavigation } from "./navigation.ts";
import { usePageNames } from "./pageNames.ts";
import style from "./Shell.module.css";

const ON_A_PHONE = 4; // beside "More"

export function Shell() {
  const { data: edition } = useQuery(editionQuery);
  const navigation = useNavigation();
  return (
    <div className={style.shell}>
      <a className={style.skip} href="#page">
        {i18n._("Skip to content")}
      </a>
      <nav className={style.side} aria-label={i18n._("Pages")}>
        <Link to="/" className={style.brand}>
          <Mark />
          {serviceName(edition)}
        </Link>
        {navigation.map((item) => (
          <NavigationLink key={item.icon} item={item} />
        ))}
      </nav>
      <header className={style.top}>
        <AccountMenu />
        <span className="push" />
        <FindButton />
        <BalancePill />
        <UserMenu />
      </header>
      <main id="page" className={style.main} tabIndex={-1}>
        <Outlet />
      </main>
      <BottomBar />
    </div>
  );
}

function NavigationLink({ item }: { item: NavigationItem }) {
  const names = usePageNames();
  if (item.href !== undefined)
    return (
      <a href={item.href} className={style.item}>
        <Icon name={item.icon} />
        {item.label(names)}
      </a>
    );
  return (
    <Link to={item.to} activeOptions={{ exact: item.to === "/" }} className={style.item}>
      <Icon name={item.icon} />
      {item.label(names)}
    </Link>
  );
}

/** On a phone: the first pages, and the others behind "More". */
function BottomBar() {
  const navigation = useNavigation();
  const rest = navigation.slice(ON_A_PHONE);
  return (
    <nav className={style.bottom} aria-label={i18n._("Pages")}>
      {navigation.slice(0, ON_A_PHONE).map((item) => (
        <NavigationLink key={item.icon} item={item} />
      ))}
      {rest.length > 0 && (
        <Menu position="top-end">
          <Menu.Target>
            <button type="button" className={style.item}>
              <Icon name="more" />
              {i18n._("More")}
            </button>
          </Menu.Target>
          <Menu.Dropdown>
            {rest.map((item) => (
              <MenuLink key={item.icon} item={item} />
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
    </nav>
  );
}

function MenuLink({ item }: { item: NavigationItem }) {
  const icon = <Icon name={item.icon} />;
  const label = item.label(usePageNames());
  if (item.href !== undefined) return <Menu.Item component="a" href={item.href} leftSection={icon} children={label} />;
  return <Menu.Item component={Link} to={item.to} leftSection={icon} children={label} />;
}
