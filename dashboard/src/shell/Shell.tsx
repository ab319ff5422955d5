// The frame of all pages of an account: navigation, account, balance, and the page.
import { i18n } from "@lingui/core";
import { Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { editionQuery, serviceName } from "../api/queries.ts";
import { BalancePill } from "./BalancePill.tsx";
import { Icon, Mark } from "./icons.tsx";
import { AccountMenu, UserMenu } from "./menus.tsx";
import { NAVIGATION, type NavigationItem } from "./navigation.ts";
import style from "./Shell.module.css";

const ON_A_PHONE = 4; // beside "More"

export function Shell() {
  const { data: edition } = useQuery(editionQuery);
  return (
    <div className={style.shell}>
      <a className={style.skip} href="#page">
        {i18n._("Skip to the page")}
      </a>
      <nav className={style.side} aria-label={i18n._("Pages")}>
        <Link to="/" className={style.brand}>
          <Mark />
          {serviceName(edition)}
        </Link>
        {NAVIGATION.map((item) => (
          <NavigationLink key={item.to} item={item} />
        ))}
      </nav>
      <header className={style.top}>
        <AccountMenu />
        <span className="push" />
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
  return (
    <Link to={item.to} activeOptions={{ exact: item.to === "/" }} className={style.item}>
      <Icon name={item.icon} />
      {item.label()}
    </Link>
  );
}

/** On a phone: the first pages, and the others behind "More". */
function BottomBar() {
  const rest = NAVIGATION.slice(ON_A_PHONE);
  return (
    <nav className={style.bottom} aria-label={i18n._("Pages")}>
      {NAVIGATION.slice(0, ON_A_PHONE).map((item) => (
        <NavigationLink key={item.to} item={item} />
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
              <Menu.Item key={item.to} component={Link} to={item.to} leftSection={<Icon name={item.icon} />}>
                {item.label()}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
    </nav>
  );
}
